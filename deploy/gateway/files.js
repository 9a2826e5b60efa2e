// Small files that other processes replace: API keys, TorchServe's tokens, routes. They are in the page cache, and
// reading them on each request makes changes apply to the next request. A reload of nginx would close idle
// connections, and break a request that a client is sending on one.
import fs from 'fs';

// The content of a JSON file; null if it is missing or not JSON.
function readJson(path) {
    try {
        return JSON.parse(fs.readFileSync(path, 'utf8'));
    } catch (e) {
        return null;
    }
}

export default { readJson };
