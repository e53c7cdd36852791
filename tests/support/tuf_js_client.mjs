// SPDX-License-Identifier: Apache-2.0
//
// tuf_js_client.mjs NODE_MODULES_PARENT ROOT URL TARGET...: fetches targets with tuf-js and prints one JSON
// object a target: path, sha256, custom. Exit status 1 with the error's name when anything is refused.
import { createHash } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const [npm, root, url, ...targets] = process.argv.slice(2);
const { Updater } = createRequire(`${resolve(npm)}/`)('tuf-js');
const directory = mkdtempSync(join(tmpdir(), 'tuf-js-'));
try {
  copyFileSync(root, join(directory, 'root.json'));
  const updater = new Updater({
    metadataDir: directory,
    metadataBaseUrl: `${url}/metadata`,
    targetDir: directory,
    targetBaseUrl: `${url}/targets`,
    config: { fetchRetries: 0 },
  });
  await updater.refresh();
  for (const path of targets) {
    const info = await updater.getTargetInfo(path);
    if (!info) throw new Error(`${path} is not found`);
    const file = await updater.downloadTarget(info, join(directory, 'target'));
    const sha256 = createHash('sha256').update(readFileSync(file)).digest('hex');
    console.log(JSON.stringify({ path, sha256, custom: info.custom }));
  }
} catch (error) {
  console.error(`${error.name}: ${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(directory, { recursive: true });
}
