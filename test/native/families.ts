// SPDX-License-Identifier: Apache-2.0
// What every kernel family is tested for, by virtue of its lines in kernels.inc: the scalar kernel has the bits of an
// independent definition, and every other kernel has the scalar kernel's bits, wherever its operands lie.
//
// LLAMA_GUARD_TEST_QUICK=1 takes every seventh case of each group (for emulated processors).
// LLAMA_GUARD_EXPECT_ISA=name fails unless this binary and CPU have it and its kernels, in families that list one, ran.
// The same is expected of the instruction sets that run emulated.

import { type KernelArgs, type KernelLine, type KernelOutputs, type Placement, emulatedIsas, emulationMark, lab } from './lab.js';
import { expectSameBits } from './compare.js';

export interface KernelCase {
  /** Names the case and seeds its operands. */
  readonly label: string;
  readonly args: () => KernelArgs;
}

export interface FamilySuite {
  /** The definition, written from docs/numerics.md on unpacked operands. */
  readonly oracle: (args: KernelArgs) => KernelOutputs;
  /** Cases by what they exercise. */
  readonly groups: Readonly<Record<string, readonly KernelCase[]>>;
}

const quick = process.env['LLAMA_GUARD_TEST_QUICK'] === '1';
export const expectedIsa = process.env['LLAMA_GUARD_EXPECT_ISA'] || undefined;
const placements: readonly Placement[] = ['end', 'front', 'odd'];
/**
 * Emulated instructions, which cost microseconds each: a case that has taken more leaves out its other placements, and a
 * test that has taken more its other cases.
 */
const emulationBudget = { ofCase: 10_000, ofTest: 500_000 };

/** All of `items`, or every seventh in a quick run. */
export function trim<T>(items: readonly T[]): readonly T[] {
  return quick ? items.filter((_, i) => i % 7 === 0) : items;
}

/** The lines of a family's kernels.inc. */
export function kernelsOf(family: string): KernelLine[] {
  return lab.kernels().filter((kernel) => kernel.family === family);
}

/** The family's scalar kernel. */
export function scalarOf(family: string): string {
  return kernelsOf(family).find((kernel) => kernel.isa === 'scalar')!.name;
}

/** Rows of the highest tile of a family, from the kernels' names (`..._12x32_...`). */
export function highestTile(family: string): number {
  return Math.max(...kernelsOf(family).map((kernel) => Number(/_(\d+)x\d+_/.exec(kernel.name)![1])));
}

/** A suite for each kernel of the family; those that this CPU lacks are reported as skipped. */
export function describeEachKernel(family: string, body: (kernel: KernelLine) => void): void {
  for (const kernel of kernelsOf(family)) {
    describe(`${kernel.name}${emulationMark(kernel.isa)}`, () => {
      before(function () {
        if (!kernel.supported) this.skip();
      });
      body(kernel);
    });
  }
}

/** Defines the tests of one family. */
export function describeFamily(family: string, { oracle, groups }: FamilySuite): void {
  const scalar = scalarOf(family);
  const made = new Map<string, { args: KernelArgs; expected: KernelOutputs }>();
  const ran = new Set<string>();

  /** Fails unless the kernel gives the scalar bits of a case wherever operands lie; at how many placements it ran. */
  function check(kernel: string, one: KernelCase): number {
    const { args, expected } = prepared(one);
    const limit = lab.emulatedInstructions() + emulationBudget.ofCase;
    for (const [i, placement] of placements.entries()) {
      expectSameBits(lab.run(kernel, args, placement), expected, `${kernel}, ${one.label}, ${placement}`);
      if (lab.emulatedInstructions() > limit) return i + 1;
    }
    return placements.length;
  }

  function prepared({ label, args }: KernelCase): { args: KernelArgs; expected: KernelOutputs } {
    let entry = made.get(label);
    if (entry === undefined) {
      const operands = args();
      entry = { args: operands, expected: lab.run(scalar, operands, 'front') };
      made.set(label, entry);
    }
    return entry;
  }

  describe(family, () => {
    after(() => made.clear());
    for (const [title, cases] of Object.entries(groups)) {
      it(`${scalar} is the definition: ${title}`, () => {
        for (const one of trim(cases)) {
          const { args, expected } = prepared(one);
          expectSameBits(expected, oracle(args), one.label);
        }
      });
    }
    describeEachKernel(family, ({ name, isa, emulated }) => {
      const count = { all: 0, fewer: 0, none: 0 };
      let start = 0;
      before(() => {
        start = lab.emulatedInstructions();
      });
      for (const [title, group] of Object.entries(groups)) {
        it(`has the scalar bits: ${title}`, () => {
          const limit = lab.emulatedInstructions() + emulationBudget.ofTest;
          for (const one of trim(group)) {
            const placed = lab.emulatedInstructions() > limit ? 0 : check(name, one);
            count[placed === placements.length ? 'all' : placed > 0 ? 'fewer' : 'none'] += 1;
          }
          if (!emulated || lab.emulatedInstructions() > start) ran.add(isa);
        });
      }
      after(() => {
        if (!emulated) return;
        const cases = `cases at all placements: ${count.all}, at fewer: ${count.fewer}, left out: ${count.none}`;
        console.log(`        ${cases}; emulated instructions: ${lab.emulatedInstructions() - start}`);
      });
    });
    // A suite of its own, because mocha runs a suite's tests before its inner suites.
    describe('afterwards', () => {
      for (const expected of new Set([...emulatedIsas, expectedIsa])) {
        if (expected === undefined || !kernelsOf(family).some(({ isa }) => isa === expected)) continue;
        it(`kernels of ${expected} ran, as asked for${emulationMark(expected)}`, () => {
          if (!ran.has(expected)) throw new Error(`no ${expected} kernel of ${family} ran`);
        });
      }
    });
  });
}
