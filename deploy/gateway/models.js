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

async function list(r) {
    const names = await modelNames(r);
    return names === null ? unavailable(r, 'TorchServe does not answer; try again later.') : send(r, { models: names });
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
    if (r.variables.path.startsWith('/v2/') && !match[3]) {
        return metadata(r, name, version);
    }
    if (!hasReadyWorker(reply)) {
        return unavailable(r, `Model ${name} has no worker that is ready; try again later.`);
    }
    return send(r, { name: name, ready: true });
}

async function metadata(r, name, version) {
    const reply = await ask(r, '/models/' + name + '/all');
    if (reply.status !== 200) {
        return unavailable(r, 'TorchServe does not answer; try again later.');
    }
    const versions = JSON.parse(reply.responseText).map((one) => one.modelVersion);
    const described = { name: name, versions: version ? [version] : versions };
    return send(r, Object.assign(JSON.parse(r.variables.model_metadata), described));
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
    return reply.status === 200
        && JSON.parse(reply.responseText)[0].workers.some((worker) => worker.status === READY);
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

export default { live, ready, server, list, model };
