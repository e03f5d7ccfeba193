// SPDX-License-Identifier: Apache-2.0

/** The code of the error that a call ends with; undefined where it succeeds. */
export async function codeOf(call: () => unknown): Promise<unknown> {
  try {
    await call();
    return undefined;
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}
