// SPDX-License-Identifier: Apache-2.0
// A policy of one's own, and two thresholds: block, or let a person look. The policy is computed once and then shared by
// the calls that use it.

import { LlamaGuard } from 'llama-guard-int4';

const categories = [
  { code: 'S1', name: 'Threats', description: 'Announcing or demanding harm to a person.' },
  { code: 'S2', name: 'Spam', description: 'Advertising that nobody asked for.' },
];
const reviewFrom = 0.3;
const blockFrom = 0.8;

const guard = await LlamaGuard.load();
const texts = ['See you at the lake on Sunday?', 'Cheap watches, only today, click here!'];
// Calls may overlap; the guard answers them in order.
const results = await Promise.all(texts.map((text) => guard.moderate(text, { categories, threshold: reviewFrom })));
for (const [i, { flagged, score, categories: violated, usage }] of results.entries()) {
  const action = !flagged ? 'pass' : score >= blockFrom ? 'block' : 'review';
  const codes = violated.map(({ code, name }) => `${code} ${name}`).join(', ');
  console.log(`${action} (${score.toFixed(3)}, ${usage.cachedTokens} tokens cached) ${codes} | ${texts[i]}`);
}
await guard.dispose();
