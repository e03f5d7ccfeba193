// SPDX-License-Identifier: Apache-2.0
// The one table of error codes. docs/errors.md and the codes that native/ returns are compared with it by tests.

/** What kind of mistake an error is; decides its class. */
export type ErrorCategory = 'usage' | 'load' | 'format' | 'runtime' | 'disposed' | 'overloaded' | 'verdict';

export interface ErrorEntry {
  readonly category: ErrorCategory;
  /** One sentence for docs/errors.md: when this happens. */
  readonly when: string;
  /** What the reader can do about it; appended to the message. */
  readonly hint: string;
}

export const errorTable = {
  ERR_LLAMA_GUARD_INVALID_ARGUMENT: {
    category: 'usage',
    when: 'An argument or option has the wrong type or is out of range.',
    hint: 'Check the call against the documentation of the option named above.',
  },
  ERR_LLAMA_GUARD_EMPTY_CONVERSATION: {
    category: 'usage',
    when: 'There is no message to judge, or the last message is empty.',
    hint: 'Pass a text, or at least one message with content.',
  },
  ERR_LLAMA_GUARD_ROLE_ORDER: {
    category: 'usage',
    when: 'Roles do not alternate between user and assistant, beginning with user.',
    hint: 'Merge neighbouring messages of one role, and drop system messages.',
  },
  ERR_LLAMA_GUARD_UNKNOWN_CATEGORY: {
    category: 'usage',
    when: 'A category code is not in the policy, or the policy is left empty.',
    hint: 'Use the codes that `llama-guard info` lists.',
  },
  ERR_LLAMA_GUARD_CONTEXT_OVERFLOW: {
    category: 'usage',
    when: 'The prompt is longer than the context of the model, or its last message needs too many windows.',
    hint: 'Shorten the conversation, or pass overflow: window; nothing is cut silently.',
  },
  ERR_LLAMA_GUARD_UNKNOWN_ISA: {
    category: 'usage',
    when: 'The forced instruction set is not one that this project knows.',
    hint: 'Unset LLAMA_GUARD_ISA or use a name that `llama-guard info` lists.',
  },
  ERR_LLAMA_GUARD_UNSUPPORTED_ISA: {
    category: 'usage',
    when: 'The forced instruction set is not one that this CPU or this binary can run.',
    hint: 'Unset LLAMA_GUARD_ISA or use a name that `llama-guard info` marks as supported.',
  },
  ERR_LLAMA_GUARD_NO_BINARY: {
    category: 'load',
    when: 'The native addon could not be loaded from any of the places it may lie in.',
    hint: 'Run the command named above; compiling needs a C++17 compiler and make.',
  },
  ERR_LLAMA_GUARD_MODEL_NOT_FOUND: {
    category: 'load',
    when: 'The model folder, or a file that it must hold, does not exist.',
    hint: 'Check the path; `llama-guard convert <source> <out>` makes a model folder.',
  },
  ERR_LLAMA_GUARD_UNREADABLE: {
    category: 'load',
    when: 'A file exists but cannot be read (permissions, I/O error, not a regular file).',
    hint: 'Check the permissions of the path named above.',
  },
  ERR_LLAMA_GUARD_WRITE_FAILED: {
    category: 'load',
    when: 'Output could not be written (permissions, full disk); nothing is left under the final name.',
    hint: 'Check free space and permissions of the path named above, then run the command again.',
  },
  ERR_LLAMA_GUARD_BAD_CONFIG: {
    category: 'format',
    when: 'config.json is not valid JSON, or a field is missing, of the wrong type, out of range or contradicts another.',
    hint: 'Convert the model again.',
  },
  ERR_LLAMA_GUARD_BAD_FORMAT: {
    category: 'format',
    when: 'A file is not what its name says: wrong magic, damaged header, sizes that overflow.',
    hint: 'Download or convert the file again.',
  },
  ERR_LLAMA_GUARD_TRUNCATED: {
    category: 'format',
    when: 'A file is shorter than its header says.',
    hint: 'Download or convert the file again.',
  },
  ERR_LLAMA_GUARD_BAD_TENSOR: {
    category: 'format',
    when: 'A tensor is missing, has the wrong type or shape, or lies outside its file.',
    hint: 'Download or convert the model again.',
  },
  ERR_LLAMA_GUARD_NON_FINITE: {
    category: 'format',
    when: 'Weights hold NaN or infinity, or the logits computed from them are not finite; no verdict is given.',
    hint: 'The model is damaged: download or convert it again.',
  },
  ERR_LLAMA_GUARD_BAD_TOKENIZER: {
    category: 'format',
    when: 'The tokenizer is of a kind that is not supported, is damaged, or lacks tokens that the guard needs.',
    hint: 'Use the tokenizer that came with the model.',
  },
  ERR_LLAMA_GUARD_UNSUPPORTED_MODEL: {
    category: 'format',
    when: 'The source is not a Llama decoder of the supported form.',
    hint: 'Convert a LlamaForCausalLM checkpoint such as Llama-Guard-3-1B.',
  },
  ERR_LLAMA_GUARD_OUT_OF_MEMORY: {
    category: 'runtime',
    when: 'Memory for weights, keys and values, or activations could not be had.',
    hint: 'Free memory, or judge shorter or fewer conversations at once.',
  },
  ERR_LLAMA_GUARD_BUSY: {
    category: 'runtime',
    when: 'A sequence or model was used while a forward pass on it was running.',
    hint: 'Wait for the running call; the LlamaGuard class does this by itself.',
  },
  ERR_LLAMA_GUARD_ABORTED: {
    category: 'runtime',
    when: 'The AbortSignal of the call fired, or the pass that computed it was cancelled; no verdict is given.',
    hint: 'Nothing to do where the abort was meant; the signal\'s reason is the cause of this error.',
  },
  ERR_LLAMA_GUARD_DEADLINE: {
    category: 'runtime',
    when: 'The verdict was not there when the timeout of the call had passed.',
    hint: 'Allow more time, send fewer calls at once, or treat the message as not judged.',
  },
  ERR_LLAMA_GUARD_UNSAFE: {
    category: 'verdict',
    when: 'A guarded stream was ended because a check found its text unsafe.',
    hint: 'The cause of this error is the check, with its verdict.',
  },
  ERR_LLAMA_GUARD_OVERLOADED: {
    category: 'overloaded',
    when: 'As many calls wait as the guard allows.',
    hint: 'Try again later, send fewer calls at once, or raise the option maxQueue.',
  },
  ERR_LLAMA_GUARD_INTERNAL: {
    category: 'runtime',
    when: 'Something happened that the code holds to be impossible.',
    hint: 'Please report it with the output of `llama-guard doctor`.',
  },
  ERR_LLAMA_GUARD_DISPOSED: {
    category: 'disposed',
    when: 'A guard, model or sequence was used after dispose().',
    hint: 'Load a new guard.',
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorTable;
