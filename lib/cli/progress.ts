// SPDX-License-Identifier: Apache-2.0
// A progress bar on stderr, where stderr is a terminal; silent elsewhere, so that logs stay readable.

const barCells = 24;
const redrawMs = 100;

export class Progress {
  readonly #label: string;
  readonly #stream = process.stderr;
  #lastDrawMs = 0;

  constructor(label: string) {
    this.#label = label;
  }

  /** @param fraction 0..1, or undefined where the end is not known */
  update(fraction: number | undefined, note: string): void {
    if (!this.#stream.isTTY) return;
    const now = Date.now();
    if (now - this.#lastDrawMs < redrawMs && fraction !== 1) return;
    this.#lastDrawMs = now;
    const columns = this.#stream.columns || 80;
    const line = [this.#label, ...(fraction === undefined ? [] : [bar(fraction)]), note].join(' ');
    this.#stream.write(`\r\x1b[K${line.slice(0, columns - 1)}`);
  }

  /** Removes the bar. */
  clear(): void {
    if (this.#stream.isTTY && this.#lastDrawMs > 0) this.#stream.write('\r\x1b[K');
  }
}

function bar(fraction: number): string {
  const clamped = Math.min(1, Math.max(0, fraction));
  const full = Math.round(clamped * barCells);
  return `[${'#'.repeat(full)}${'.'.repeat(barCells - full)}] ${String(Math.floor(clamped * 100)).padStart(3)}%`;
}
