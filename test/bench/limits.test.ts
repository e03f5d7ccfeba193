// SPDX-License-Identifier: Apache-2.0
// The limits that benchmarks are held against: which loops run here, and which limit binds. No figure is asserted.

import { expect } from 'chai';

import { bytesText, roofOver } from '../../bench/limits.js';
import { rooflineSvg } from '../../bench/roofline.js';
import { lab } from '../native/lab.js';

const peaks = [
  { isa: 'wide', type: 'int8', gigaOps: 400 },
  { isa: 'wide', type: 'f32', gigaOps: 100 },
] as const;
const read = { bytes: 53 * 2 ** 20, gigabytesPerSecond: 20 };

describe('limits of the machine', () => {
  it('has an int8 and an f32 peak for every vector instruction set that runs here', () => {
    const vector = lab.isas().filter((isa) => isa.compiled && isa.supported && isa.name !== 'scalar');
    const supported = lab.peaks().filter((peak) => peak.supported).map((peak) => `${peak.type} ${peak.isa}`);
    expect(supported).to.include.members(vector.flatMap(({ name }) => [`int8 ${name}`, `f32 ${name}`]));
  });

  it('measures each of them, on two threads as well', () => {
    for (const { isa, type, supported } of lab.peaks()) {
      if (!supported) continue;
      for (const threads of [1, 2]) expect(lab.measurePeak({ isa, type, threads, passes: 1 })).to.be.greaterThan(0).and.below(Infinity);
    }
  });

  it('refuses a peak that this CPU cannot run', () => {
    const missing = lab.peaks().find((peak) => !peak.supported);
    if (missing === undefined) return;
    expect(() => lab.measurePeak({ ...missing, threads: 1, passes: 1 })).to.throw().with.property('code', 'ERR_LLAMA_GUARD_UNSUPPORTED_ISA');
  });

  it('reads working sets of any size', () => {
    for (const bytes of [1, 1000, 1 << 20]) expect(lab.readBandwidth({ bytes, threads: 2, passes: 1 })).to.be.greaterThan(0);
  });

  it('takes the lower of two roofs', () => {
    // 10 operations a byte at 20 GB/s are 200 GOP/s: below 400, above 100.
    const work = { operations: 1000, bytes: 100 };
    expect(roofOver({ ...work, type: 'int8' }, 'wide', peaks, read)).to.deep.equal({ name: 'read 53 MiB', gigaOps: 200 });
    expect(roofOver({ ...work, type: 'f32' }, 'wide', peaks, read)).to.deep.equal({ name: 'f32 wide', gigaOps: 100 });
    expect(roofOver({ ...work, type: 'f32' }, 'scalar', peaks, read)).to.equal(undefined);
  });

  it('names sizes', () => {
    expect([256, 16 * 2 ** 10, 3.25 * 2 ** 20, 2 ** 28].map(bytesText)).to.deep.equal(['256 B', '16 KiB', '3.3 MiB', '256 MiB']);
  });
});

describe('roofline plot', () => {
  const point = { kernel: 'k_<1>', isa: 'wide', shape: 'a & b', operations: 1000, bytes: 100, gigaOps: 100, shareOfRoof: 0.5 };
  const svg = (gigaOps: number): string =>
    rooflineSvg({ title: 'CPU', threads: 1, peaks, read: [read], points: [{ ...point, gigaOps }, { ...point, shareOfRoof: undefined }] });
  const centre = (drawing: string): number[] => {
    return /<circle cx="([\d.]+)" cy="([\d.]+)"/.exec(drawing)!.slice(1).map(Number);
  };

  it('draws the points that have a roof, and no name as markup', () => {
    expect(svg(100).match(/<circle/g)).to.have.length(1);
    expect(svg(100)).to.contain('k_&#60;1&#62;, a &#38; b: 100.0 GOP/s, 50 % of its roof');
  });

  it('has a logarithmic axis: four times the rate is 0.602 decades higher', () => {
    const ticks = [...svg(110).matchAll(/y="([\d.]+)" text-anchor="end">(100|1000)</g)].map((match) => Number(match[1]));
    const [low, high] = [centre(svg(110))[1]!, centre(svg(440))[1]!];
    expect(low - high).to.be.closeTo((ticks[0]! - ticks[1]!) * Math.log10(4), 0.3);
  });
});
