// SPDX-License-Identifier: Apache-2.0
// Who does how much where cores are unequal, on clocks that are not real, and on which CPUs threads may run.

import { expect } from 'chai';

import { loadAddon } from '../../lib/native/load-addon.js';
import { lab } from './lab.js';

const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);

describe('thread pool', () => {
  for (const [name, costs, tasks] of [
    ['equal cores', [1, 1, 1, 1], 128],
    ['one core at a fifth of its speed', [1, 1, 1, 5], 128],
    ['the caller at a fifth of its speed', [5, 1, 1, 1], 128],
    ['one core at a hundredth of its speed', [1, 1, 1, 100], 128],
    ['two kinds of cores', [2, 2, 5, 5], 160],
    ['fewer tasks than threads', [1, 3, 1, 1], 2],
  ] as const) {
    it(`shares out tasks by speed: ${name}`, () => {
      const { done, end, runs } = lab.shareOut({ tasks, costs: Int32Array.from(costs) });
      expect([...runs]).to.deep.equal(Array(tasks).fill(1));
      expect(sum(done)).to.equal(tasks);
      // Tasks a tick when all work; the last to end has at most one task more than the others.
      const rate = sum(costs.map((cost) => 1 / cost));
      expect(end).to.be.at.most(tasks / rate + Math.max(...costs));
      if (tasks < costs.length) return;
      for (const [thread, cost] of costs.entries()) {
        expect(done[thread], `thread ${thread}`).to.be.closeTo(tasks / rate / cost, 0.5 + Math.max(...costs) / cost);
      }
    });
  }

  it('leaves a thread that is stuck in its first task no other one', () => {
    const { done, end } = lab.shareOut({ tasks: 64, costs: Int32Array.of(1, 10_000) });
    expect([...done]).to.deep.equal([63, 1]);
    expect(end).to.equal(10_000);
  });

  const usable = loadAddon().topology().usableCpus;

  it('keeps its threads, and the caller while it computes, to the CPUs that it is given', function () {
    if (process.platform !== 'linux' || usable.length < 2) this.skip();
    const one = usable.slice(-1);
    expect(lab.placeThreads({ threads: 3, cpus: Int32Array.from(one) }).map((cpus) => [...cpus])).to.deep.equal([one, one, one, [...usable]]);
  });

  it('never leaves the CPUs that the process may use', function () {
    if (process.platform !== 'linux') this.skip();
    const beyond = Math.max(...usable) + 1;
    const all = [...usable];
    expect(lab.placeThreads({ threads: 2, cpus: Int32Array.of(beyond) }).map((cpus) => [...cpus])).to.deep.equal([all, all, all]);
    const first = all.slice(0, 1);
    expect(lab.placeThreads({ threads: 2, cpus: Int32Array.of(...first, beyond) }).map((cpus) => [...cpus])).to.deep.equal([first, first, all]);
  });
});
