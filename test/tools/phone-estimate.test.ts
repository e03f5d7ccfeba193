// SPDX-License-Identifier: Apache-2.0
// The estimates for phones: loops are found in made-up assembly of both compilers' kinds, and every derived figure is compared
// with one worked out by hand. With llvm-mca and a cross compiler at hand, the page is compared with a fresh one.

import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { expect } from 'chai';

interface Loop {
  readonly body: readonly string[];
  readonly around: readonly string[];
}

interface Assembly {
  functionsOf(text: string): readonly { readonly name: string; readonly lines: readonly string[] }[];
  innermostLoops(lines: readonly string[]): readonly Loop[];
  countAccumulates(lines: readonly string[], kind: 'bytes' | 'floats'): number;
  countOf(lines: readonly string[], mnemonic: string): number;
  loopWithMost(text: string, functionPattern: RegExp, count: (body: readonly string[]) => number): Loop | undefined;
  withoutRegisterOffsets(lines: readonly string[]): readonly string[];
}

interface Mca {
  findMca(): string | undefined;
  cyclesOf(answer: unknown): number;
  modelOf(answer: unknown): string;
}

interface Measured {
  readonly loop: { readonly cycles: number; readonly accumulates: number };
  readonly around: { readonly cycles: number; readonly accumulates: number };
  readonly unpackCycles: number;
}

interface Phone {
  readonly cores: readonly { readonly core: string; readonly count: number; readonly ghz: number }[];
  readonly readGBs: number;
}

type Cycles = (core: string) => number;

interface Derive {
  bytesOfToken(model: Readonly<Record<string, number>>, keys: number): number;
  cyclesOfAccumulate(measured: Measured, tile: { rows: number; outputs: number }, rows: number, group?: number): number;
  cyclesInLoop(measured: Measured, rows: number): number;
  cyclesOfPlain(plain: Measured['loop'], unpackBound: number, rows: number): number;
  rateOf(phone: Phone, cycles: Cycles): number;
  keysSeen(tokens: number, kept: number): number;
  passSeconds(phone: Phone, cycles: Readonly<Record<'products' | 'attention' | 'silu', Cycles>>, tokens: number, kept: number): {
    readonly seconds: number;
    readonly share: number;
    readonly boundBy: string;
  };
}

const tool = async <T>(file: string): Promise<T> => (await import(pathToFileURL(path.resolve('tools', file)).href)) as T;
const assembly = await tool<Assembly>('phone-estimate/assembly.mjs');
const mca = await tool<Mca>('phone-estimate/mca.mjs');
const derive = await tool<Derive>('phone-estimate/derive.mjs');
const { findCompilers } = await tool<{ findCompilers(): readonly unknown[] }>('phone-estimate/compilers.mjs');
const { withoutFigures } = await tool<{ withoutFigures(text: string): string }>('phone-estimate.mjs');

/** gcc's way to write: two loops, one inside the other, and code behind the inner one that a branch may skip. */
const gcc = `
	.arch armv8.2-a+dotprod
	.type	_Z4dotsv, %function
_Z4dotsv:
.LFB1:
	.cfi_startproc
	mov	x9, 0
.L5:
	ldr	q0, [x1]
	.p2align 3,,7
.L3:
	ldr	q1, [x2, x3]
#APP
// 24 "neon.h" 1
	
// 0 "" 2
#NO_APP
	sdot	v4.4s, v1.16b, v0.4b[0]
	sdot	v5.4s, v1.16b, v0.4b[1]
	subs	x3, x3, #16
	bne	.L3
	cbz	x4, .L4
	sdot	v4.4s, v1.16b, v0.4b[2]
.L4:
	fmla	v6.4s, v7.4s, v8.4s
	cmp	x9, x8
	bhi	.L5
	ret
	.size	_Z4dotsv, .-_Z4dotsv
	.type	_ZTable, %object
	.xword	_Z4dotsv
`;

/** clang's way: comments behind instructions, blocks named in comments, conditions with a dot. */
const clang = `
	.type	_Z4dotsv,@function
_Z4dotsv:                               // @_Z4dotsv
// %bb.0:
	mov	x9, xzr
.LBB0_1:                                // =>This Inner Loop Header: Depth=1
	ldr	q1, [x2], #16                   // 16-byte Folded Reload
	//APP
	//NO_APP
	smmla	v4.4s, v1.16b, v0.16b
	b.ne	.LBB0_1
// %bb.2:
	ret
.Lfunc_end0:
	.size	_Z4dotsv, .Lfunc_end0-_Z4dotsv
	.type	_Z5otherv,@function
_Z5otherv:
.LBB1_1:
	ushr	v0.16b, v1.16b, #4
	tbnz	w3, #0, .LBB1_1
	.size	_Z5otherv, 12
`;

describe('loops in assembly', () => {
  it('takes labels and instructions of functions, and no more', () => {
    const [dots, ...others] = assembly.functionsOf(gcc);
    expect(others).to.have.length(0);
    expect(dots!.name).to.equal('_Z4dotsv');
    expect(dots!.lines.filter((line) => line.endsWith(':'))).to.deep.equal(['.LFB1:', '.L5:', '.L3:', '.L4:']);
    expect(dots!.lines).to.include('ldr q1, [x2, x3]').and.to.include('ret');
    expect(dots!.lines).to.have.length(4 + 13);
    expect(assembly.functionsOf(clang).map(({ name }) => name)).to.deep.equal(['_Z4dotsv', '_Z5otherv']);
  });

  it('finds the inner loop, and what stands around it in the outer one', () => {
    const loops = assembly.innermostLoops(assembly.functionsOf(gcc)[0]!.lines);
    expect(loops).to.deep.equal([
      {
        body: ['ldr q1, [x2, x3]', 'sdot v4.4s, v1.16b, v0.4b[0]', 'sdot v5.4s, v1.16b, v0.4b[1]', 'subs x3, x3, #16', 'bne .L3'],
        around: ['ldr q0, [x1]', 'cbz x4, .L4', 'sdot v4.4s, v1.16b, v0.4b[2]', 'fmla v6.4s, v7.4s, v8.4s', 'cmp x9, x8', 'bhi .L5'],
      },
    ]);
  });

  it('takes the rest of the function where there is no outer loop', () => {
    const [loop] = assembly.innermostLoops(assembly.functionsOf(clang)[0]!.lines);
    expect(loop).to.deep.equal({ body: ['ldr q1, [x2], #16', 'smmla v4.4s, v1.16b, v0.16b', 'b.ne .LBB0_1'], around: ['mov x9, xzr', 'ret'] });
  });

  it('counts multiply-accumulates of bytes and of floats apart', () => {
    const lines = ['sdot v4.4s, v1.16b, v0.4b[0]', 'smmla v4.4s, v1.16b, v0.16b', 'smull v1.8h, v2.8b, v3.8b', 'smlal2 v1.8h, v2.16b, v3.16b'];
    expect(assembly.countAccumulates(lines, 'bytes')).to.equal(16 + 32 + 8 + 8);
    expect(assembly.countAccumulates(lines, 'floats')).to.equal(0);
    const others = ['smlal v1.4s, v2.4h, v3.h[0]', 'fmla v6.4s, v7.4s, v8.s[1]', 'ldr q1, [x2]', 'and v0.16b, v1.16b, v2.16b'];
    expect(assembly.countAccumulates(others, 'bytes')).to.equal(0);
    expect(assembly.countAccumulates(others, 'floats')).to.equal(4);
  });

  it('chooses by function and by what is counted', () => {
    const bytes = (body: readonly string[]): number => assembly.countAccumulates(body, 'bytes');
    const shifts = (body: readonly string[]): number => assembly.countOf(body, 'ushr');
    expect(assembly.loopWithMost(gcc, /dots/, bytes)?.body).to.have.length(5);
    expect(assembly.loopWithMost(clang, /./, shifts)?.body).to.deep.equal(['ushr v0.16b, v1.16b, #4', 'tbnz w3, #0, .LBB1_1']);
    expect(assembly.loopWithMost(clang, /other/, bytes)).to.equal(undefined);
  });

  it('takes register offsets from 16-byte loads alone', () => {
    const lines = ['ldr q1, [x2, x3]', 'ldr d1, [x2, x3]', 'ldr q1, [x2, #16]'];
    expect(assembly.withoutRegisterOffsets(lines)).to.deep.equal(['ldr q1, [x2]', 'ldr d1, [x2, x3]', 'ldr q1, [x2, #16]']);
  });
});

describe("llvm-mca's answer", () => {
  const answer = {
    CodeRegions: [{ SummaryView: { Iterations: 100, TotalCycles: 8203, IPC: 1.07 } }],
    TargetInfo: { CPUName: 'cortex-a55', Resources: ['CortexA55UnitALU.\u0000', 'CortexA55UnitB'] },
  };

  it('gives cycles of an iteration, and the name of the model', () => {
    expect(mca.cyclesOf(answer)).to.equal(82.03);
    expect(mca.modelOf(answer)).to.equal('CortexA55');
    expect(mca.modelOf({ ...answer, TargetInfo: { Resources: ['A57UnitB'] } })).to.equal('A57');
  });
});

describe('derived figures', () => {
  const measured = { loop: { cycles: 82, accumulates: 1024 }, around: { cycles: 244, accumulates: 1024 }, unpackCycles: 0 };
  const tile = { rows: 8, outputs: 8 };

  it('a group of 256 has 8 x 8 x 256 = 16384 multiply-accumulates: 15 iterations and what stands around', () => {
    expect(derive.cyclesOfAccumulate(measured, tile, 8)).to.equal((15 * 82 + 244) / 16384);
  });

  it('unpacking a step of 16 x 8 weights is shared by the rows', () => {
    const unpacking = { ...measured, unpackCycles: 12.8 };
    expect(derive.cyclesInLoop(unpacking, 4)).to.be.closeTo(82 / 1024 + 0.025, 1e-12);
    expect(derive.cyclesOfAccumulate(unpacking, tile, 4)).to.be.closeTo(1474 / 16384 + 0.025, 1e-12);
    expect(derive.cyclesOfPlain({ cycles: 64, accumulates: 1024 }, 1.6, 8)).to.be.closeTo(0.0625 + 1.6 / 256, 1e-12);
  });

  it('bytes of a token are nibbles, scales, sums, keys and values', () => {
    const small = { weights: 512, group: 256, layers: 2, kvHeads: 1, headDim: 4 };
    expect(derive.bytesOfToken(small, 0)).to.equal(256 + 2 * 4 + 2 * 2);
    expect(derive.bytesOfToken(small, 3)).to.equal(268 + 3 * 2 * 2 * 4 * 2);
  });

  it('cores add up by clock over cycles', () => {
    const phone = { cores: [{ core: 'big', count: 1, ghz: 2 }, { core: 'small', count: 2, ghz: 1.5 }], readGBs: 1 };
    expect(derive.rateOf(phone, (core) => (core === 'big' ? 0.25 : 0.5))).to.equal(8e9 + 6e9);
  });

  it('each new token sees all before it and itself', () => {
    expect(derive.keysSeen(3, 10)).to.equal(11 + 12 + 13);
    expect(derive.keysSeen(1, 0)).to.equal(1);
  });

  // 597,688,320 weights at 0.1 cycles, 49,152 multiply-accumulates of attention at 1 and 76,800 values of SiLU at 2; 1 GHz, of
  // which 0.8 is reached; a tenth on top of the products.
  const cycles = { products: () => 0.1, attention: () => 1, silu: () => 2 };
  const others = 49152 / 0.8e9 + (76800 * 2) / 0.8e9;

  it('a pass of one token, bound by arithmetic', () => {
    const pass = derive.passSeconds({ cores: [{ core: 'any', count: 1, ghz: 1 }], readGBs: 10 }, cycles, 1, 0);
    expect(pass.seconds).to.be.closeTo(0.07471104 * 1.1 + others, 1e-12);
    expect(pass.share).to.be.closeTo(1 - 0.07471104 / (0.082182144 + others), 1e-12);
    expect(pass.boundBy).to.equal('arithmetic');
  });

  it('the same, bound by memory: 298,844,160 + 14,008,320 + 24,576 bytes', () => {
    const pass = derive.passSeconds({ cores: [{ core: 'any', count: 1, ghz: 1 }], readGBs: 1 }, cycles, 1, 0);
    expect(pass.seconds).to.be.closeTo(0.312877056 * 1.1 + others, 1e-12);
    expect(pass.boundBy).to.equal('memory');
  });
});

describe('tools/phone-estimate.mjs', () => {
  it('sees no difference in figures, nor in what they reach, but in words and lines', () => {
    const line = '| old: Cortex-A53 | 5.66 (no) | 82.0 / 81.0 | memory |\n| `cortex-a78` | A57 |\nmissed by gcc 12 / clang 19.1.7.';
    const other = '| old: Cortex-A53 | 1.2 (yes) | 7.5 | arithmetic |\n| `cortex-a78` | CortexA78 |\nmissed by gcc 13.';
    expect(withoutFigures(other)).to.equal(withoutFigures(line));
    expect(withoutFigures(line.replace('old', 'new'))).not.to.equal(withoutFigures(line));
    expect(withoutFigures(`${line}\n| more | 1 |`)).not.to.equal(withoutFigures(line));
  });

  const lacking = [...(mca.findMca() === undefined ? ['llvm-mca'] : []), ...(findCompilers().length === 0 ? ['a compiler for arm64'] : [])];
  const estimate = lacking.length === 0 ? it : it.skip;
  estimate(`finds every loop, and the page with the lines it would have${lacking.length === 0 ? '' : ` (this machine lacks ${lacking.join(' and ')})`}`, function () {
    this.timeout(600_000);
    const { stderr, status } = spawnSync(process.execPath, ['tools/phone-estimate.mjs', '--check'], { encoding: 'utf8' });
    expect(stderr).to.equal('');
    expect(status).to.equal(0);
  });
});
