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

// `Authorization` as the upstream wants it: TorchServe's own token, which is another one after each start. Empty while
// there is none that holds: TorchServe starts, is just writing the file, or nobody has renewed an old one.
function authorization(r) {
    const keys = readJson(r.variables.token_file);
    if (!keys || !keys.inference) {
        return '';
    }
    // Milliseconds: TorchServe writes nanoseconds, which Date need not read.
    const until = Date.parse(String(keys.inference['expiration time']).replace(/(\.\d{3})\d*/, '$1'));
    return until <= Date.now() ? '' : 'Bearer ' + keys.inference.key;  // one without a time never expires
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
// with its neighbours' requests; TorchServe itself has no limit. Ours have five.
const MOST_FIELDS = 100;
const TOO_MANY = `a form has at most ${MOST_FIELDS} fields; ask in fewer, or several times`;
const MOST_FIELD_HEADERS = 4096;  // bytes

// Only what every reader reads alike is let through to be counted: one boundary, written in bytes that mean themselves
// in the charset. TorchServe's reader would take a boundary in UTF-16, and the first or the second of two.
const CHARSET = ' *; *charset="?(?:utf-8|us-ascii|iso-8859-1)"?';
const MULTIPART = new RegExp(
    '^multipart/form-data(?:' + CHARSET + ')? *; *boundary=("?)([0-9a-z\'()+_,./:=?-]{1,70})\\1(?:' + CHARSET + ')? *$', 'i');
const URLENCODED = /^application\/x-www-form-urlencoded *(?:;|$)/i;

function checkForm(r) {
    const file = r.variables.request_body_file;
    const fault = file && faultOfForm(r.variables.content_type, fs.readFileSync(file));
    if (fault) {
        r.headersOut['Content-Type'] = 'application/json';
        r.return(400, JSON.stringify({ code: 400, type: 'BadRequest', message: fault }) + '\n');
        return;
    }
    r.internalRedirect('@' + (r.variables.arm || 'default'));
}

function faultOfForm(type, body) {
    if (URLENCODED.test(type)) {
        return faultOfPairs(body);
    }
    const multipart = MULTIPART.exec(type);
    return multipart ? faultOfParts(body, '--' + multipart[2])
        : `Content-Type is ${type.slice(0, 200)}; send a form as application/x-www-form-urlencoded, or as multipart/form-data `
            + "with one boundary, of at most 70 letters, digits and '()+_,./:=?-";
}

function faultOfPairs(body) {
    for (let fields = 0, at = -1; fields <= MOST_FIELDS; fields++) {
        at = body.indexOf('&', at + 1);
        if (at < 0) {
            return '';
        }
    }
    return TOO_MANY;
}

function faultOfParts(body, boundary) {
    if (body.slice(0, boundary.length).toString() !== boundary) {
        return 'a form begins with two dashes and its boundary; this one begins otherwise';
    }
    for (let fields = 0, after = boundary.length; fields <= MOST_FIELDS; fields++) {
        const start = body.slice(after, after + MOST_FIELD_HEADERS).toString();
        const end = start.search(/\n\r?\n/);
        if (end < 0 && !start.startsWith('--') && body.length > after + MOST_FIELD_HEADERS) {
            return `the headers of a form's field are over ${MOST_FIELD_HEADERS} bytes; send shorter ones`;
        }
        // A field that is a form itself has a boundary of its own, whose fields would go uncounted.
        if (/multipart\/mixed/i.test(start.slice(0, Math.max(0, end)))) {
            return 'a field of the form is itself multipart/mixed; send its parts as fields of their own';
        }
        const at = body.indexOf('\n' + boundary, after);
        if (at < 0) {
            return '';
        }
        after = at + 1 + boundary.length;
    }
    return TOO_MANY;
}

function readJson(path) {
    try {
        return JSON.parse(fs.readFileSync(path, 'utf8'));
    } catch (e) {
        return null;
    }
}

export default { keyName, authorization, route, checkForm };
