// SPDX-License-Identifier: Apache-2.0
//
// tuf_js_author.mjs NODE_MODULES_PARENT DIR: writes a TUF repository with the models of tuf-js into DIR/metadata
// and DIR/targets: root signed by 2 of 3 keys of all kinds, delegations by pattern, by hash prefix and in
// succinct bins, custom data with every character that canonical JSON treats in its own way.
import { constants, createHash, generateKeyPairSync, sign } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';

const [npm, out] = process.argv.slice(2);
const require = createRequire(`${resolve(npm)}/`);
const models = require('@tufjs/models');
const canonicalize = require('@tufjs/canonical-json').canonicalize;

const sha256 = (data) => createHash('sha256').update(data).digest('hex');
const expires = new Date(Date.now() + 86400000).toISOString().replace(/\.\d+Z/, 'Z');
const common = { spec_version: '1.0.31', expires, version: 1 };

function newKey(kind) {
  const made = {
    rsa: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
    ecdsa: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    ed25519: () => generateKeyPairSync('ed25519'),
  }[kind]();
  const scheme = { rsa: 'rsassa-pss-sha256', ecdsa: 'ecdsa-sha2-nistp256', ed25519: 'ed25519' }[kind];
  const text = kind === 'ed25519' ? made.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex')
    : made.publicKey.export({ format: 'pem', type: 'spki' });
  const object = { keytype: kind, scheme, keyval: { public: text } };
  const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
  return {
    id: sha256(canonicalize(object)),
    object,
    sign: (data) => sign(kind === 'ed25519' ? null : 'sha256', data,
      kind === 'rsa' ? { key: made.privateKey, ...padding } : made.privateKey).toString('hex'),
  };
}

function write(name, kind, signed, keys) {
  const metadata = new models.Metadata(models[kind].fromJSON({ _type: kind.toLowerCase(), ...common, ...signed }));
  for (const key of keys) {
    metadata.sign((data) => new models.Signature({ keyID: key.id, sig: key.sign(data) }));
  }
  const bytes = JSON.stringify(metadata.toJSON());
  writeFileSync(join(out, 'metadata', name), bytes);
  return { version: 1, length: Buffer.byteLength(bytes), hashes: { sha256: sha256(bytes) } };
}

function target(path, custom) {
  const content = `content of ${path}`;
  const file = join(out, 'targets', dirname(path), `${sha256(content)}.${path.split('/').pop()}`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  return { [path]: { length: content.length, hashes: { sha256: sha256(content) }, ...(custom && { custom }) } };
}

const role = (keys, threshold = 1) => ({ keyids: keys.map((key) => key.id), threshold });
const keysOf = (...keys) => Object.fromEntries(keys.map((key) => [key.id, key.object]));

mkdirSync(join(out, 'metadata'), { recursive: true });
const roots = [newKey('rsa'), newKey('ed25519'), newKey('ecdsa')];
const [online, author, vendor, hashed, binned] = ['ecdsa', 'rsa', 'ed25519', 'ecdsa', 'ed25519'].map(newKey);
const hashedPath = 'by-hash.bin';
const binPaths = ['bins/a', 'bins/b', 'bins/c', 'bins/d'];
const binOf = (path) => `bin-${(parseInt(sha256(path).slice(0, 2), 16) >> 5).toString(16)}`;

const meta = {};
meta['vendor.json'] = write('1.vendor.json', 'Targets', { targets: target('vendor/one.pswb') }, [vendor]);
meta['hashed.json'] = write('1.hashed.json', 'Targets', { targets: target(hashedPath) }, [hashed]);
meta['bins.json'] = write('1.bins.json', 'Targets', {
  targets: {},
  delegations: { keys: keysOf(binned), succinct_roles: { ...role([binned]), bit_length: 3, name_prefix: 'bin' } },
}, [binned]);
for (let bin = 0; bin < 8; bin++) {
  const paths = binPaths.filter((path) => binOf(path) === `bin-${bin}`);
  meta[`bin-${bin}.json`] =
    write(`1.bin-${bin}.json`, 'Targets', { targets: Object.assign({}, ...paths.map((path) => target(path))) }, [binned]);
}
meta['targets.json'] = write('1.targets.json', 'Targets', {
  targets: target('top.bin', { note: 'tab\tquote"back\\slash \u{1f512} \u007f', 'a\nb': [1, null, true] }),
  delegations: {
    keys: keysOf(vendor, hashed, binned),
    roles: [
      { name: 'vendor', ...role([vendor]), terminating: true, paths: ['vendor/*.pswb'] },
      { name: 'hashed', ...role([hashed]), terminating: false, path_hash_prefixes: [sha256(hashedPath).slice(0, 3)] },
      { name: 'bins', ...role([binned]), terminating: false, paths: ['bins/*'] },
    ],
  },
}, [author]);
const snapshot = write('1.snapshot.json', 'Snapshot', { meta }, [online]);
write('timestamp.json', 'Timestamp', { meta: { 'snapshot.json': snapshot } }, [online]);
write('1.root.json', 'Root', {
  consistent_snapshot: true,
  keys: keysOf(...roots, online, author),
  roles: { root: role(roots, 2), timestamp: role([online]), snapshot: role([online]), targets: role([author]) },
}, roots.slice(0, 2));
console.log(['top.bin', 'vendor/one.pswb', hashedPath, ...binPaths].join('\n'));
