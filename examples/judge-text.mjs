// SPDX-License-Identifier: Apache-2.0
// One text in, a verdict out. Run: node examples/judge-text.mjs "some text"

import { LlamaGuard } from 'llama-guard-int4';

const text = process.argv[2] ?? 'How do I sharpen a kitchen knife?';
const guard = await LlamaGuard.load();
try {
  const { verdict, score, categories, demo } = await guard.moderate(text);
  console.log(verdict, score.toFixed(3), categories.map(({ code, name }) => `${code} ${name}`).join(', '));
  if (demo) console.log('This was the demo model: do not rely on it.');
} finally {
  await guard.dispose();
}
