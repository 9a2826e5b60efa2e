// What nginx cannot do by itself, each request anew: who asks, TorchServe's token, a canary's share, a form's fields.
// The files are small and in the page cache. Reading them here means that a key added or revoked, a token renewed and a
// canary's share hold from the next request on, without a reload: a reload ends idle connections, and with them the
// request that a client is just sending on one.
import crypto from 'crypto';
import fs from 'fs';

// A key is 256 random bits, so its bare sha256 can neither be guessed nor looked up: slow hashes are for passwords.
const BEARER = /^bearer +(vqa_[A-Za-z0-9_-]{43})$/i;

// The name of the key's owner; empty for no key, or one that is not (or no longer) in the folder.
function keyName(r) {
    const given = BEARER.exec(r.headersIn['Authorization'] || '');
    if (!given) {
        return '';
    }
    const digest = crypto.createHash('sha256').update(given[1]).digest('hex');
    const entry = readJson(r.variables.keys_folder + '/' + digest);
    return entry ? entry.name : '';
}

// `Authorization` as the upstream wants it: TorchServe's own token, which is another one after each start.
function authorization(r) {
    const keys = readJson(r.variables.token_file);
    return keys ? 'Bearer ' + keys.inference.key : '';
}

// Where a canary or a shadow takes this request: "canary /predictions/<model>/<version>", or empty.
// The request's id decides, so that the same id always meets the same version.
function route(r) {
    const asked = /^\/(?:predictions\/([^\/?:]+)|v1\/models\/([^\/?:]+):predict|v2\/models\/([^\/?:]+)\/infer)$/.exec(r.uri);
    const routes = asked && readJson(r.variables.routes_file);
    const model = asked && (asked[1] || asked[2] || asked[3]);
    const chosen = routes && routes[model];
    if (!chosen) {
        return '';
    }
    const lot = crypto.createHash('sha256').update(model + ' ' + chosen.version + ' ' + r.variables.id).digest('hex');
    return parseInt(lot.slice(0, 8), 16) < chosen.share * 0x100000000
        ? chosen.kind + ' /predictions/' + model + '/' + chosen.version : '';
}

// A form of hundreds of thousands of fields keeps TorchServe's worker reading until it is taken for dead and killed,
// with its neighbours' requests; TorchServe itself has no limit. Ours have five. What separates fields is counted as
// any reader could read it: lines that begin with two dashes, and ampersands. In a picture's bytes they are rare.
const MOST_FIELDS = 100;

function checkForm(r) {
    const file = r.variables.request_body_file;
    const body = file && fs.readFileSync(file);
    const separator = /multipart/i.test(r.headersIn['Content-Type']) ? '\n--' : '&';
    let at = -1;
    for (let fields = 0; body && (at = body.indexOf(separator, at + 1)) >= 0; fields++) {
        if (fields === MOST_FIELDS) {
            r.headersOut['Content-Type'] = 'application/json';
            r.return(400, JSON.stringify({ code: 400, type: 'BadRequest',
                message: `a form has at most ${MOST_FIELDS} fields; ask in fewer, or several times` }) + '\n');
            return;
        }
    }
    r.internalRedirect('@' + (r.variables.arm || 'default'));
}

function readJson(path) {
    try {
        return JSON.parse(fs.readFileSync(path, 'utf8'));
    } catch (e) {
        return null;
    }
}

export default { keyName, authorization, route, checkForm };
