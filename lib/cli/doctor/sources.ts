// SPDX-License-Identifier: Apache-2.0
// What the doctor looks at. Tests hand in made-up machines.

import { constants, readFileSync, readdirSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { arch, homedir, platform, release } from 'node:os';
import path from 'node:path';

import type { Environment } from '../../facade/options.js';
import { thisMachine as addonSearch } from '../../native/addon-search.js';
import type { NativeAddon } from '../../native/addon.js';
import { loadAddon, loadedFrom } from '../../native/load-addon.js';

export interface DoctorSources {
  /** Folder that holds /proc and /sys; '' = those of this machine. */
  readonly root: string;
  readonly platform: string;
  readonly arch: string;
  /** Version of the system's kernel. */
  readonly release: string;
  readonly node: string;
  /** Version of glibc, where Node runs on it. */
  readonly glibc: string | undefined;
  /** Node was linked against musl. */
  readonly musl: boolean;
  readonly home: string;
  readonly env: Environment;
  /** Bytes that the control group allows; undefined = no limit. */
  readonly memoryLimit: number | undefined;
  /** Bytes that this process can still take, by what Node knows. */
  readonly availableMemory: number | undefined;
  /** Throws where no binary can be loaded. */
  readonly loadAddon: () => NativeAddon;
  /** Path of the binary that was loaded. */
  readonly loadedFrom: () => string | undefined;
}

/** This machine, as it is. */
export function thisMachine(): DoctorSources {
  return {
    root: '',
    platform: platform(),
    arch: arch(),
    release: release(),
    node: process.version,
    glibc: glibcVersion(),
    musl: addonSearch().musl,
    home: homeFolder(),
    env: process.env,
    memoryLimit: limited(process.constrainedMemory()),
    // From Node 20.13 on.
    availableMemory: (process as { availableMemory?: () => number }).availableMemory?.(),
    loadAddon,
    loadedFrom,
  };
}

/** A file's text, or undefined where it cannot be read: on phones much of /sys is closed. */
export function textOf({ root }: DoctorSources, file: string): string | undefined {
  try {
    return readFileSync(path.join(root, file), 'utf8');
  } catch {
    return undefined;
  }
}

/** A file's bytes, empty where it cannot be read. */
export function bytesOf({ root }: DoctorSources, file: string): Buffer {
  try {
    return readFileSync(path.join(root, file));
  } catch {
    return Buffer.alloc(0);
  }
}

/** Names in a folder, none where it cannot be read. */
export function namesIn({ root }: DoctorSources, folder: string): string[] {
  try {
    return readdirSync(path.join(root, folder));
  } catch {
    return [];
  }
}

/** Whether files can be made in `folder`, or it and what is missing above it can be made. Writes nothing. */
export async function isWritable(folder: string): Promise<boolean> {
  for (let at = folder; ; at = path.dirname(at)) {
    try {
      await access(at, constants.W_OK | constants.X_OK);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || at === path.dirname(at)) return false;
    }
  }
}

/** `value` with the user's home folder written as ~ in every text, so that a report names no user. */
export function withoutHome<T>(value: T, home: string): T {
  if (home.length < 2) return value;
  const shorten = (part: unknown): unknown => {
    if (typeof part === 'string') return part.replaceAll(home, '~');
    if (Array.isArray(part)) return part.map(shorten);
    if (typeof part !== 'object' || part === null) return part;
    return Object.fromEntries(Object.entries(part).map(([name, field]) => [name, shorten(field)]));
  };
  return shorten(value) as T;
}

function glibcVersion(): string | undefined {
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return report.header?.glibcVersionRuntime;
}

function homeFolder(): string {
  try {
    return process.env['HOME'] ?? homedir();
  } catch {
    return ''; // a user without an entry in the system's list
  }
}

/** Node gives 0, or more than any machine has, where there is no limit. */
function limited(bytes: number | undefined): number | undefined {
  return bytes === undefined || bytes === 0 || bytes >= 2 ** 60 ? undefined : bytes;
}
