// SPDX-License-Identifier: Apache-2.0

/** Words that are at least one token each. */
export function words(count: number): string {
  return Array.from({ length: count }, (_, i) => `word${i % 7}`).join(' ');
}
