// Keeps forms from TorchServe's own reader, which has no limit: hundreds of thousands of fields keep a worker busy until
// TorchServe takes it for dead and kills it, with the other requests in its batch. scripts/serve.py switches that reader
// off, and the worker reads every form by the standards, with limits. Servers that were started in another way still have
// it, and the gateway cannot know which kind is behind it.
//
// A simple, small form passes as it is. Any other gets a spelling of its media type that TorchServe's reader does not
// recognise, so that it goes to the worker as bytes.
import fs from 'fs';

const MAX_FIELDS = 100;
const MAX_FIELD_HEADERS = 4096;  // bytes

const MULTIPART = /^multipart\/form-data *; *boundary=("?)([0-9a-z'()+_,.\/:=?-]{1,70})\1$/i;
const URLENCODED = /^application\/x-www-form-urlencoded *(?:; *charset="?utf-8"?)?$/i;
const DISPOSITION = /^content-disposition: *form-data; *name="[^"\\%\r\n]*"(?:; *filename="[^"\\\r\n]*")?\r?$/im;
const UNUSUAL = /multipart\/|content-transfer-encoding|content-disposition[\s\S]*content-disposition/i;

function checkForm(r) {
    const type = r.variables.content_type;
    const file = r.variables.request_body_file;
    if (file && !(isPlain(r) && isSimple(type, fs.readFileSync(file)))) {
        r.variables.sent_type = rawType(type);
    }
    r.internalRedirect('@' + (r.variables.arm || 'default'));
}

function isPlain(r) {
    const coding = (r.headersIn['Content-Encoding'] || '').toLowerCase();
    return coding === '' || coding === 'identity';
}

// The media type in a spelling that is valid, and that TorchServe's reader does not recognise.
function rawType(type) {
    return type.replace(/^multipart\/form-data/i, 'Multipart/Form-Data')
        .replace(/^(application\/x-www-form-urlencoded) *(?=;|$)/i, '$1 ;').replace(/ ;$/, ' ; charset=utf-8');
}

function isSimple(type, body) {
    if (URLENCODED.test(type)) {
        return arePairsSimple(body);
    }
    const multipart = MULTIPART.exec(type);
    return multipart !== null && arePartsSimple(body, '--' + multipart[2]);
}

function arePairsSimple(body) {
    for (let fields = 0, at = -1; fields < MAX_FIELDS; fields++) {
        at = body.indexOf('&', at + 1);
        if (at < 0) {
            return true;
        }
    }
    return false;
}

function arePartsSimple(body, boundary) {
    if (body.slice(0, boundary.length).toString() !== boundary) {
        return false;
    }
    for (let fields = 0, start = boundary.length; fields <= MAX_FIELDS; fields++) {
        const headers = body.slice(start, start + MAX_FIELD_HEADERS).toString();
        if (headers.startsWith('--')) {
            return true;
        }
        const end = headers.search(/\n\r?\n/);
        const known = headers.slice(0, Math.max(0, end));
        if (!/^\r?\n/.test(known) || !DISPOSITION.test(known) || UNUSUAL.test(known)) {
            return false;
        }
        const next = body.indexOf('\n' + boundary, start);
        if (next < 0) {
            return false;
        }
        start = next + 1 + boundary.length;
    }
    return false;
}

export default { checkForm };
