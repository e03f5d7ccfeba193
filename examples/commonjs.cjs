// SPDX-License-Identifier: Apache-2.0
// The same from CommonJS.

const { LlamaGuard } = require('llama-guard-int4');

async function main() {
  const guard = await LlamaGuard.load();
  try {
    const result = await guard.moderate([
      { role: 'user', content: 'My plant has yellow leaves.' },
      { role: 'assistant', content: 'Give it less water and more light.' },
    ]);
    console.log(result.role, result.verdict, result.score.toFixed(3));
  } finally {
    await guard.dispose();
  }
}

void main();
