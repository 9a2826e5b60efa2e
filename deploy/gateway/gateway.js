// Values that nginx needs for each request and cannot compute itself: the API key's name, TorchServe's tokens, and the
// canary or shadow route.
import crypto from 'crypto';
import files from 'files.js';

// A key is 256 random bits, so a plain SHA-256 is enough; slow hashes are for passwords.
const BEARER = /^[ \t]*bearer[ \t]+(vqa_[A-Za-z0-9_-]{43})[ \t]*$/i;

// The name of the API key in the header Authorization; empty without a key, or if the key is unknown or revoked.
function keyName(r) {
    const match = BEARER.exec(r.headersIn['Authorization'] || '');
    if (!match) {
        return '';
    }
    const digest = crypto.createHash('sha256').update(match[1]).digest('hex');
    const entry = files.readJson(r.variables.keys_folder + '/' + digest);
    return entry && typeof entry.name === 'string' ? entry.name : '';
}

// The header Authorization for TorchServe's inference and management addresses.
function inferenceToken(r) {
    return bearerOf(r, 'inference');
}

function managementToken(r) {
    return bearerOf(r, 'management');
}

// TorchServe creates new tokens at each start. Empty if there is no valid one: TorchServe is starting, is writing the
// file at this moment, or the token has expired.
function bearerOf(r, kind) {
    const tokens = files.readJson(r.variables.token_file);
    const token = tokens && tokens[kind];
    if (!token) {
        return '';
    }
    // TorchServe writes nanoseconds; Date needs milliseconds.
    const expiration = Date.parse(String(token['expiration time']).replace(/(\.\d{3})\d*/, '$1'));
    return expiration <= Date.now() ? '' : 'Bearer ' + token.key;  // without an expiration time it is valid for ever
}

const INFERENCE = /^\/(?:predictions\/([^\/:]+)|v1\/models\/([^\/:]+):predict|v2\/models\/([^\/:]+)\/infer)$/;

// The canary or shadow route of a request, as "canary /predictions/<model>/<version>"; empty without a route. The
// request's id decides, so a repeated id always gets the same version.
function route(r) {
    const match = INFERENCE.exec(r.variables.upstream_path);
    const routes = match && files.readJson(r.variables.routes_file);
    const model = match && (match[1] || match[2] || match[3]);
    const chosen = routes && routes[model];
    if (!chosen) {
        return '';
    }
    const digest = crypto.createHash('sha256').update(model + ' ' + chosen.version + ' ' + r.variables.id).digest('hex');
    return parseInt(digest.slice(0, 8), 16) < chosen.share * 0x100000000
        ? chosen.kind + ' /predictions/' + model + '/' + chosen.version : '';
}

export default { keyName, inferenceToken, managementToken, route };
