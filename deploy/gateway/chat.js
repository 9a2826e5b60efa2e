// OpenAI's base URL for all models: POST /v1/chat/completions, where the body names the model and not the address.
//
// TorchServe's address is /predictions/<model>[/<version>]. The worker learns from the header X-Url-Path that the body is a
// chat. A name without a version is answered by the default version, or by its canary.
import fs from 'fs';
import models from 'models.js';

const NAME = /^(\w[\w.-]*)(?:\/(\w[\w.-]*))?$/;
const MAX_SHOWN = 100;  // characters of a name that came

let received = '';  // the beginning of an error's body; each request has its own

async function choose(r) {
    const named = readModel(r);
    if (named.refused) {
        return refuse(r, named.refused, named.type, named.message);
    }
    const match = NAME.exec(named.model);
    if (!match || await isUnknown(r, match[0])) {
        return refuseUnknown(r, named.model);
    }
    r.variables.chat_model = match[0];
    r.internalRedirect('@' + (r.variables.arm || 'chat'));
}

// The field `model` of the body, or why there is none.
function readModel(r) {
    const coding = (r.headersIn['Content-Encoding'] || 'identity').toLowerCase();
    if (coding !== 'identity') {
        return { refused: 415, type: 'UnsupportedMediaType', message: `The body is compressed (${shown(coding)}); `
            + 'send it as it is, or to /predictions/<model>/<version>/v1, where the address names the model.' };
    }
    const file = r.variables.request_body_file;  // none if the body is empty
    let body;
    try {
        body = JSON.parse(file ? fs.readFileSync(file, 'utf8').replace(/^\ufeff/, '') : '');
    } catch (e) {  // also JSON in another charset, which the worker reads and njs cannot
        return { refused: 400, type: 'BadRequest', message: 'The body is not JSON in UTF-8; send {"model": ..., '
            + '"messages": ...}. Other charsets are read at /predictions/<model>/<version>/v1, where the address '
            + 'names the model.' };
    }
    const model = body && body.model;
    return typeof model === 'string' && model ? { model: model } : { refused: 400, type: 'BadRequest',
        message: 'The request names no model; send model: "<model>" or "<model>/<version>", as GET /v1/models lists them.' };
}

async function isUnknown(r, name) {
    return Boolean(r.variables.with_management) && (await models.ask(r, '/models/' + name)).status === 404;
}

async function refuseUnknown(r, name) {
    const known = r.variables.with_management ? await models.served(r) : null;
    const listed = known && known.length ? known.join(', ') : null;
    refuse(r, 404, 'ModelNotFoundException', `There is no model ${shown(name)}`
        + (listed ? `; the server has: ${listed}.` : '; ask whoever runs the server for the names.'));
}

function shown(text) {
    return JSON.stringify(text.slice(0, MAX_SHOWN));
}

function refuse(r, status, type, message) {
    r.headersOut['Content-Type'] = 'application/json';
    r.return(status, inOpenAisShape({ code: status, type: type, message: message }) + '\n');
}

function inOpenAisShape(error) {
    const inner = { message: error.message, type: error.type, code: error.code, param: null };
    return JSON.stringify(Object.assign({ error: inner }, error));
}

// TorchServe's own errors have three keys; the worker's have OpenAI's shape already.
function startReply(r) {
    if (isError(r)) {
        delete r.headersOut['Content-Length'];
    }
}

function wrapError(r, data, flags) {
    if (!isError(r)) {
        r.sendBuffer(data, flags);
        return r.done();  // the rest passes without the script
    }
    received += data;
    if (flags.last) {
        r.sendBuffer(wrapped(received), flags);
    }
}

function isError(r) {
    return r.status >= 400 && r.variables.chat_model !== '';
}

function wrapped(text) {
    try {
        const body = JSON.parse(text);
        return body.error || !body.message ? text : inOpenAisShape(body) + '\n';
    } catch (e) {
        return text;
    }
}

export default { choose, startReply, wrapError };
