// SPDX-License-Identifier: Apache-2.0
// Keys and values mapped back from a file: the bits of a sequence that never left memory, and every way to go wrong.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';

import { expect } from 'chai';

import type { NativeModel, NativeSequence } from '../../lib/native/addon.js';
import { codeOf } from '../support/error-code.js';
import { append, appendToFork, loadDemo, tokens } from './demo-engine.js';
import type { KvWork } from './kv-worker.js';
import { supportedIsas } from './native-reader.js';

const invalid = 'ERR_LLAMA_GUARD_INVALID_ARGUMENT';
const truncated = 'ERR_LLAMA_GUARD_TRUNCATED';
const contextLength = 2048;

describe('keys and values mapped from a file', function () {
  this.timeout(60_000);
  let model: NativeModel;
  let folder: string;
  let file: string;

  before(async () => {
    model = await loadDemo();
  });
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'lg-kv-'));
    file = path.join(folder, 'kv');
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });
  after(() => {
    model.dispose();
  });

  async function created(length: number): Promise<NativeSequence> {
    const sequence = model.createSequence();
    await append(model, sequence, tokens(length, 1));
    return sequence;
  }

  /** The keys and values of `length` tokens in `file`, after `header` bytes of 0xff. */
  async function written(length: number, header = 0): Promise<NativeSequence> {
    const sequence = await created(length);
    writeFileSync(file, Buffer.concat([Buffer.alloc(header, 0xff), sequence.exportKv()]));
    return sequence;
  }

  for (const length of [1, 63, 64, 65, 136, 200]) {
    it(`give the bits of a sequence of ${length} tokens in memory`, async () => {
      const sequence = await written(length, 192);
      const wanted = await appendToFork(model, sequence, tokens(70, 2));
      const bytes = readFileSync(file);

      const mapped = model.mapSequence(file, 192, length);
      expect([mapped.length, mapped.kvBytes]).to.deep.equal([length, 0]);
      expect(mapped.exportKv()).to.deep.equal(sequence.exportKv());
      expect(await appendToFork(model, mapped, tokens(70, 2))).to.deep.equal(wanted);
      expect(await append(model, mapped, tokens(70, 2))).to.deep.equal(wanted);
      expect(mapped.length).to.equal(length + 70);
      expect(readFileSync(file).equals(bytes)).to.equal(true);
    });
  }

  it('are copied where a sequence appends, and only there', async () => {
    await written(136);
    const mapped = model.mapSequence(file, 0, 136);
    const segmentBytes = model.kvSegmentTokens * model.kvBytesPerToken;
    expect(mapped.fork(128).kvBytes).to.equal(0);
    await append(model, mapped, tokens(1, 2));
    expect(mapped.kvBytes).to.equal(segmentBytes);
    mapped.truncate(100);
    expect(mapped.kvBytes).to.equal(0);
    await append(model, mapped, tokens(1, 3));
    expect(mapped.kvBytes).to.equal(segmentBytes);
  });

  it('may be fewer tokens than the file holds', async () => {
    const sequence = await written(128);
    const mapped = model.mapSequence(file, 0, 65);
    sequence.truncate(65);
    expect(mapped.exportKv()).to.deep.equal(sequence.exportKv());
    expect(await append(model, mapped, tokens(9, 2))).to.deep.equal(await append(model, sequence, tokens(9, 2)));
  });

  it('outlive the file, the sequence and the model that they were mapped for', async () => {
    const sequence = await written(136);
    const wanted = await appendToFork(model, sequence, tokens(9, 2));
    const other = await loadDemo();
    const mapped = other.mapSequence(file, 0, 136);
    const fork = mapped.fork(136);
    mapped.dispose();
    writeFileSync(`${file}.new`, Buffer.alloc(readFileSync(file).length, 0xff));
    renameSync(`${file}.new`, file);
    expect(await appendToFork(other, fork, tokens(9, 2))).to.deep.equal(wanted);
    rmSync(file);
    const pass = append(other, fork, tokens(9, 2));
    fork.dispose();
    other.dispose();
    expect(await pass).to.deep.equal(wanted);
  });

  it('are mapped once, and no longer than a sequence uses them', async function () {
    if (process.platform !== 'linux') this.skip();
    await written(136);
    const mappings = (): number => readFileSync('/proc/self/maps', 'utf8').split(file).length - 1;
    const mapped = model.mapSequence(file, 0, 136);
    const again = model.mapSequence(file, 0, 64);
    const fork = mapped.fork(64);
    const counts = [mappings()];
    for (const sequence of [mapped, again, fork]) {
      sequence.dispose();
      counts.push(mappings());
    }
    expect(counts).to.deep.equal([1, 1, 1, 0]);
  });

  it('are read anew where another file has taken the name', async () => {
    await written(64);
    const first = model.mapSequence(file, 0, 64);
    const other = model.createSequence();
    await append(model, other, tokens(64, 5));
    writeFileSync(`${file}.new`, other.exportKv());
    renameSync(`${file}.new`, file);
    expect(model.mapSequence(file, 0, 64).exportKv()).to.deep.equal(other.exportKv());
    expect(first.exportKv()).not.to.deep.equal(other.exportKv());
  });

  it('serve two worker threads at once', async () => {
    const sequence = await written(136);
    const work: KvWork = { path: file, length: 136, tokens: tokens(9, 2) };
    const answers = [0, 1].map(async () => {
      const worker = new Worker(new URL('./kv-worker.js', import.meta.url), { workerData: work });
      return new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    });
    const wanted = await append(model, sequence, tokens(9, 2));
    expect(await Promise.all(answers)).to.deep.equal([wanted, wanted]);
  });

  for (const isa of supportedIsas()) {
    it(`that hold one NaN end in an error on ${isa}, not in a verdict`, async () => {
      const other = await loadDemo({ threads: 1, isa });
      const bytes = Buffer.from((await created(100)).exportKv());
      // In the first layer's key of token 3, and in the last layer's value of token 63.
      for (const at of [3 * 2, bytes.length / 2 - 2]) {
        const damaged = Buffer.from(bytes);
        damaged.writeUInt16LE(0x7e00, at);
        writeFileSync(`${file}${at}`, damaged);
        const mapped = other.mapSequence(`${file}${at}`, 0, 100);
        expect(await codeOf(() => append(other, mapped, tokens(9, 2)))).to.equal('ERR_LLAMA_GUARD_NON_FINITE');
        expect(mapped.exportKv()).to.deep.equal(new Uint8Array(damaged));
      }
      other.dispose();
    });
  }

  it('are refused where the file is too short', async () => {
    await written(65, 64);
    const { length: size } = readFileSync(file);
    const codes: unknown[] = [];
    for (const [offset, length] of [[64, 128], [64, 129], [128, 65], [size - (size % 64), 1], [2 ** 52, 1], [0, contextLength]] as const) {
      codes.push(await codeOf(() => model.mapSequence(file, offset, length)));
    }
    expect(codes).to.deep.equal([undefined, truncated, truncated, truncated, truncated, truncated]);
    writeFileSync(`${file}.short`, readFileSync(file).subarray(0, size - 1));
    expect(await codeOf(() => model.mapSequence(`${file}.short`, 64, 65))).to.equal(truncated);
  });

  it('are refused where there is no such file', async () => {
    expect(await codeOf(() => model.mapSequence(`${file}.none`, 0, 1))).to.equal('ERR_LLAMA_GUARD_MODEL_NOT_FOUND');
    writeFileSync(file, '');
    execFileSync('mkfifo', [`${file}.pipe`]);
    for (const unreadable of [folder, file, `${file}.pipe`, '/dev/zero']) {
      expect(await codeOf(() => model.mapSequence(unreadable, 0, 1)), unreadable).to.equal('ERR_LLAMA_GUARD_UNREADABLE');
    }
  });

  it('are refused with arguments that make no sense', async () => {
    await written(136);
    const numbers = [-64, -1, 0.5, NaN, Infinity, -Infinity, 2 ** 53, 1e300, '0', null, undefined, 64n, {}, []];
    for (const offset of [...numbers, 1, 32, 63, 65]) {
      expect(await codeOf(() => model.mapSequence(file, offset as number, 1)), String(offset)).to.equal(invalid);
    }
    for (const length of [...numbers, 0, contextLength + 1]) {
      expect(await codeOf(() => model.mapSequence(file, 0, length as number)), String(length)).to.equal(invalid);
    }
    for (const name of [undefined, null, 1, {}, [file], Buffer.from(file), `${file}\0`]) {
      expect(await codeOf(() => model.mapSequence(name as string, 0, 1)), String(name)).to.equal(invalid);
    }
    const disposed = await loadDemo();
    disposed.dispose();
    expect(await codeOf(() => disposed.mapSequence(file, 0, 1))).to.equal('ERR_LLAMA_GUARD_DISPOSED');
  });
});
