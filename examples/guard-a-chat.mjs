// SPDX-License-Identifier: Apache-2.0
// Both turns of a chat are judged: what the user asks before it is answered, and the answer before it is shown.

import { LlamaGuard, LlamaGuardError } from 'llama-guard-int4';

/** @typedef {import('llama-guard-int4').MessageInput} MessageInput */

/** Stands for your own model. @param {string} question */
async function answer(question) {
  return `I have read your ${question.length} characters.`;
}

/**
 * @param {LlamaGuard} guard
 * @param {readonly MessageInput[]} messages
 */
async function mayPass(guard, messages) {
  try {
    const { flagged } = await guard.moderate(messages, { exclude: ['S8'] });
    return !flagged;
  } catch (error) {
    // No verdict is no permission.
    if (LlamaGuardError.isInstance(error)) return false;
    throw error;
  }
}

const guard = await LlamaGuard.load();
/** @type {MessageInput[]} */
const history = [];
for (const question of ['Which tea keeps me awake?', 'And which one helps me sleep?']) {
  history.push({ role: 'user', content: question });
  if (!(await mayPass(guard, history))) {
    console.log('The question was refused.');
    history.pop();
    continue;
  }
  const reply = await answer(question);
  const shown = (await mayPass(guard, [...history, { role: 'assistant', content: reply }])) ? reply : 'I cannot say that.';
  history.push({ role: 'assistant', content: shown });
  console.log(`> ${question}\n${shown}`);
}
await guard.dispose();
