// Health, readiness and metadata, as the Open Inference Protocol and KServe v1 define them. TorchServe answers none of
// these addresses truthfully: its /ping is 200 while models load and while their workers crash. The management address
// knows; it is asked through an internal location that allows GET /models only and caches for a second.

const READY = 'READY';
const MODEL = /^\/v[12]\/models\/([\w.-]+?)(?:\/versions\/([\w.-]+))?(\/ready)?$/;
const MAX_PAGES = 10;  // of 100 models

// GET / is KServe v1's question for liveness.
async function live(r) {
    const reply = await ask(r, '/models', 'limit=1');
    if (reply.status !== 200) {
        return unavailable(r, 'TorchServe does not answer; try again later.');
    }
    return send(r, r.variables.path === '/' ? { status: 'alive' } : { live: true });
}

async function ready(r) {
    const names = await modelNames(r);
    if (names === null || (r.variables.token_file && !r.variables.inference_token)) {
        return unavailable(r, 'TorchServe does not answer, or its token has expired; try again later.');
    }
    const replies = await Promise.all(names.map((name) => ask(r, '/models/' + name)));
    const waiting = names.filter((name, index) => !hasReadyWorker(replies[index]));
    if (names.length === 0 || waiting.length > 0) {
        return unavailable(r, names.length === 0 ? 'No model is registered.' : 'A model has no worker that is ready.');
    }
    return send(r, { ready: true });
}

function server(r) {
    return send(r, JSON.parse(r.variables.server_metadata));
}

// GET /v1/models for two kinds of clients: `models` is KServe v1's list of all names, `data` OpenAI's list of what can be
// asked now.
async function list(r) {
    const names = await modelNames(r);
    if (names === null) {
        return unavailable(r, 'TorchServe does not answer; try again later.');
    }
    const ready = await readyOf(r, names);
    return send(r, { object: 'list', data: ready.map(openaiModel), models: names });
}

// What OpenAI clients can name as `model`: models whose default version has a ready worker, and versions with one. Null
// if TorchServe does not answer.
async function served(r) {
    const names = await modelNames(r);
    return names === null ? null : readyOf(r, names);
}

async function readyOf(r, names) {
    const defaults = await Promise.all(names.map((name) => ask(r, '/models/' + name)));
    const all = await Promise.all(names.map((name) => ask(r, '/models/' + name + '/all')));
    const ids = names.map((name, index) => (hasReadyWorker(defaults[index]) ? [name] : []).concat(
        versionsOf(all[index]).filter(isReady).map((one) => name + '/' + one.modelVersion).sort()));
    return [].concat.apply([], ids);
}

function versionsOf(reply) {
    return reply.status === 200 ? JSON.parse(reply.responseText) : [];
}

function openaiModel(id) {
    return { id: id, object: 'model', created: 0, owned_by: 'vqaserve' };
}

// /v1/models/M and /v2/models/M[/versions/V][/ready]. Without a version, the default one has to be ready.
async function model(r) {
    const match = MODEL.exec(r.variables.path);
    const name = match[1], version = match[2];
    const reply = await ask(r, '/models/' + name + (version ? '/' + version : ''));
    if (reply.status === 404) {
        return respond(r, 404, reply.responseText);  // TorchServe's message names the model or the version
    }
    if (reply.status !== 200) {
        return unavailable(r, 'TorchServe does not answer; try again later.');
    }
    if (!hasReadyWorker(reply)) {
        return unavailable(r, `Model ${name} has no worker that is ready; try again later.`);
    }
    if (r.variables.path.startsWith('/v2/') && !match[3]) {
        return metadata(r, name, version);
    }
    const openai = r.variables.path.startsWith('/v1/') ? openaiModel(name) : {};
    return send(r, Object.assign({ name: name, ready: true }, openai));
}

// The tensors depend on the model's task, which its worker knows.
async function metadata(r, name, version) {
    const all = await ask(r, '/models/' + name + '/all');
    const said = await ask(r, '/said/models/' + name + (version ? '/' + version : ''));
    if (all.status !== 200 || said.status !== 200) {
        return unavailable(r, 'TorchServe does not answer; try again later.');
    }
    const versions = versionsOf(all).map((one) => one.modelVersion);
    const described = { name: name, versions: version ? [version] : versions };
    return send(r, Object.assign(described, JSON.parse(said.responseText)[0].customizedMetadata.metadata));
}

// The names of all models; null if TorchServe does not answer.
async function modelNames(r) {
    let names = [];
    let token = '0';
    for (let page = 0; page < MAX_PAGES && token; page++) {
        const reply = await ask(r, '/models', 'limit=100&next_page_token=' + token);
        if (reply.status !== 200) {
            return null;
        }
        const content = JSON.parse(reply.responseText);
        names = names.concat(content.models.map((one) => one.modelName));
        token = content.nextPageToken;
    }
    return names;
}

function hasReadyWorker(reply) {
    return reply.status === 200 && isReady(versionsOf(reply)[0]);
}

function isReady(version) {
    return version.workers.some((worker) => worker.status === READY);
}

function ask(r, path, query) {
    return r.subrequest('/management' + path, { args: query || '' });
}

function send(r, content) {
    respond(r, 200, JSON.stringify(content) + '\n');
}

function unavailable(r, message) {
    respond(r, 503, JSON.stringify({ code: 503, type: 'ServiceUnavailableException', message: message }) + '\n');
}

function respond(r, status, body) {
    r.headersOut['Content-Type'] = 'application/json';
    r.return(status, body);
}

export default { live, ready, server, list, model, served, ask };
