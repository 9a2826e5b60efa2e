// Chooses among several machines, so that a picture goes to the machine whose caches know it. nginx hashes the key to a
// machine (`hash ... consistent`). Only places in the picture are read: hashing all of it would cost more than the rest
// of the gateway. Two pictures with one key would only share a machine.
import crypto from 'crypto';
import fs from 'fs';

const SLICE = 768;    // bytes at each place; a multiple of 3, as four characters of base64 are three bytes
const PLACES = 6;
const HEAD = 65536;   // bytes in which the picture has to begin

const BASE64 = /[A-Za-z0-9+\/_-]{64,256}/;
const PART = /content-disposition:[^\r\n]*name="?(?:image|data|image_url|file)"?/i;

// The key of the first picture in the body, so that the later turns of a chat stay where its first picture is; the
// request's id if there is no picture.
function key(r) {
    try {
        const body = bodyOf(r);
        return (body && pictureKey(r, body)) || r.variables.id;
    } catch (e) {
        return r.variables.id;
    }
}

function bodyOf(r) {
    const file = r.variables.request_body_file;
    return file ? fs.readFileSync(file) : r.rawVariables.request_body;
}

function pictureKey(r, body) {
    const type = r.headersIn['Content-Type'] || '';
    if (r.headersIn['Inference-Header-Content-Length']) {
        return binaryTensor(body, Number(r.headersIn['Inference-Header-Content-Length']));
    }
    const multipart = /^multipart\/form-data.*boundary="?([^";]+)/i.exec(type);
    if (multipart) {
        return part(body, '--' + multipart[1]);
    }
    return /^(?:image\/|application\/(?:octet-stream|pdf))/i.test(type) ? ofFile(body) : ofText(body);
}

// A form's picture: a file, or the text of one.
function part(body, boundary) {
    for (let at = body.indexOf(boundary); at >= 0; at = body.indexOf(boundary, at + 1)) {
        const start = body.indexOf('\r\n\r\n', at) + 4;
        if (start < 4) {
            return '';
        }
        if (PART.test(body.slice(at, start).toString())) {
            const end = body.indexOf('\r\n' + boundary, start);
            return ofFile(body.slice(start, end < 0 ? body.length : end));
        }
    }
    return '';
}

// The largest tensor of the Open Inference Protocol's binary form; four bytes before each value are its length.
function binaryTensor(body, header) {
    let at = header, best = null;
    JSON.parse(body.slice(0, header).toString()).inputs.forEach((tensor) => {
        const size = (tensor.parameters || {}).binary_data_size || 0;
        if (!best || size > best.length) {
            best = body.slice(at, at + size);
        }
        at += size;
    });
    return best && ofFile(best.slice(4, 4 + best.readUInt32LE(0)));
}

function ofFile(file) {
    const head = file.slice(0, 256).toString();
    const isText = /^\s*(?:data:|[A-Za-z0-9+\/_-]{64,})/i.test(head);
    return isText ? ofText(file) : sampled(file.length, (at) => file.slice(at, at + SLICE));
}

// Base64 anywhere in a text; its places are decoded alone.
function ofText(text) {
    const found = BASE64.exec(text.slice(0, HEAD).toString());
    if (!found) {
        return '';
    }
    const start = text.indexOf(found[0]);
    const quote = text.indexOf('"', start);
    const end = quote < 0 ? text.length : quote;
    const last = text.slice(Math.max(start, end - 2), end).toString();
    const padding = last.length - last.replace(/=/g, '').length;
    const size = Math.floor((end - start - padding) * 3 / 4);
    return sampled(size, (at) => {
        const first = start + at / 3 * 4;
        return Buffer.from(text.slice(first, Math.min(end, first + SLICE / 3 * 4)).toString(), 'base64');
    });
}

// Places from the first to the last byte, and the length.
function sampled(size, read) {
    const hash = crypto.createHash('sha1').update(String(size));
    const step = Math.max(1, Math.floor((size - SLICE) / (PLACES - 1) / 3)) * 3;
    for (let place = 0, at = 0; place < PLACES && at < size; place++, at += step) {
        hash.update(read(at));
    }
    const tail = Math.max(0, Math.floor((size - SLICE) / 3) * 3 + 3);
    return size > 0 ? hash.update(read(tail)).digest('hex') : '';
}

export default { key };
