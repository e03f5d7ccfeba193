// SPDX-License-Identifier: Apache-2.0
// The layer check finds each kind of breach in made-up folders, and none in this project.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { expect } from 'chai';

/** Runs the check over a folder with these files; returns what it says and its exit code. */
function check(files: Readonly<Record<string, string>>): { said: string; status: number | null } {
  const folder = mkdtempSync(path.join(tmpdir(), 'llama-guard-layers-'));
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      writeFileSync(path.join(folder, name), text);
    }
    return run(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function run(folder: string): { said: string; status: number | null } {
  const { stderr, status } = spawnSync(process.execPath, ['tools/check-layers.mjs', folder], { encoding: 'utf8' });
  return { said: stderr, status };
}

const breaches: readonly [what: string, file: string, text: string, said: string][] = [
  ['an include upwards', 'native/base/a.h', '#include "engine/b.h"\n', 'base must not use engine'],
  ['an include of an unknown room', 'native/base/a.h', '#include "attic/b.h"\n', 'in no layer'],
  ['a room without a layer', 'native/attic/a.cc', '', 'attic is in no layer'],
  ["Node's header in the core", 'native/ops/a.cc', '#include <napi.h>\n', "see Node's headers"],
  ['an import upwards', 'lib/errors/a.ts', "import { b } from '../facade/b.js';\n", 'errors must not use facade'],
  ['a dynamic import upwards', 'lib/formats/a.ts', "await import('../cli/b.js');\n", 'formats must not use cli'],
  ['loading the addon elsewhere', 'lib/facade/a.ts', "process.dlopen(module, file);\n", 'only lib/native'],
];

describe('tools/check-layers.mjs', () => {
  it('has nothing to say about this project', () => {
    expect(run('.')).to.deep.equal({ said: '', status: 0 });
  });

  for (const [what, file, text, said] of breaches) {
    it(`finds ${what}`, () => {
      const result = check({ [file]: text });
      expect(result.said).to.contain(file).and.to.contain(said);
      expect(result.status).to.equal(1);
    });
  }

  it('finds two rooms of one layer that use each other', () => {
    const result = check({
      'native/quant/a.h': '#include "packing/b.h"\n',
      'native/packing/b.h': '#include "quant/a.h"\n',
    });
    expect(result.said).to.contain('use each other');
  });

  it('lets a room use what lies below it and beside it', () => {
    const files = {
      'native/engine/a.h': '#include "ops/b.h"\n#include "base/c.h"\n',
      'native/kernels/d.h': '#include "quant/e.h"\n',
      'native/binding/f.cc': '#include <napi.h>\n',
      'lib/index.ts': "export { g } from './facade/g.js';\n",
      'lib/cli/main.ts': "import { h } from '../index.js';\n",
    };
    expect(check(files)).to.deep.equal({ said: '', status: 0 });
  });
});
