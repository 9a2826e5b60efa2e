"""The library for running a server: archives, TorchServe, versions, the gateway, training, importing models."""

import warnings

# torch imports the package that nvgpu, which TorchServe needs, installs under the name of nvidia-ml-py.
warnings.filterwarnings("ignore", "The pynvml package is deprecated", FutureWarning)
