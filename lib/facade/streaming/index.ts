// SPDX-License-Identifier: Apache-2.0
// What a guard needs for its streams.

export { CheckSession } from './check-session.js';
export { ModerationStream } from './moderation-stream.js';
export { streamSettings } from './stream-options.js';
