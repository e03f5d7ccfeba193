// SPDX-License-Identifier: Apache-2.0
// Folders in which snapshots lie: beside the model, else in the user's cache folder. Whoever can write a snapshot decides
// over verdicts, so a folder is used only where its owner alone can write, and that is one who must be trusted anyway.

import { lstat, mkdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';

/** Environment variables. */
type Environment = Readonly<Record<string, string | undefined>>;

/** Name of the folder beside the model. */
export const besideModel = 'snapshots';

const privateMode = 0o700;
const writableByOthers = 0o022;

/** A folder that may hold snapshots, and need not exist. */
export interface SnapshotFolder {
  readonly path: string;
  /** Permissions of the files in it, before the process's umask. */
  readonly fileMode: number;
  /** Makes it where it does not exist. Rejects with what the file system says. */
  create(): Promise<void>;
  /** Whether it exists and nobody can write into it who must not. */
  isTrusted(): Promise<boolean>;
}

export interface SnapshotPlaces {
  /** Folder of the model. */
  readonly modelFolder: string;
  /** The only folder to use, whoever may write it; default: beside the model, then in the user's cache folder. */
  readonly folder?: string | undefined;
  readonly env: Environment;
}

/** Folders in the order in which they are tried. */
export function snapshotFolders({ modelFolder, folder, env }: SnapshotPlaces): SnapshotFolder[] {
  if (folder !== undefined) return [givenFolder(path.resolve(folder))];
  const cache = userCacheFolder(process.platform, env, homeFolder(env));
  return [modelsFolder(modelFolder), ...(cache === undefined ? [] : [usersFolder(cache)])];
}

/** Where snapshots lie in a user's cache; undefined where the system does not tell a cache folder. */
export function userCacheFolder(platform: string, env: Environment, home: string | undefined): string | undefined {
  const { join, isAbsolute } = platform === 'win32' ? path.win32 : path.posix;
  const told = env[platform === 'win32' ? 'LOCALAPPDATA' : 'XDG_CACHE_HOME'];
  const standard = platform === 'win32' ? ['AppData', 'Local'] : platform === 'darwin' ? ['Library', 'Caches'] : ['.cache'];
  // The XDG specification has relative paths ignored.
  const usesTold = told !== undefined && isAbsolute(told) && platform !== 'darwin';
  if (usesTold) return join(told, 'llama-guard-int4', 'snapshots');
  if (home === undefined || !isAbsolute(home)) return undefined;
  return join(home, ...standard, 'llama-guard-int4', 'snapshots');
}

function homeFolder(env: Environment): string | undefined {
  if (env['HOME']) return env['HOME'];
  try {
    return homedir();
  } catch {
    return undefined; // a user without an entry in the system's list
  }
}

/** Readable to those who can read the model's folder. */
function modelsFolder(modelFolder: string): SnapshotFolder {
  const folder = path.join(modelFolder, besideModel);
  return {
    path: folder,
    fileMode: 0o644,
    create: async () => {
      const { mode } = await stat(modelFolder);
      await mkdir(folder, { mode: privateMode | (mode & 0o777 & ~writableByOthers) }).catch(ignoreExisting);
    },
    isTrusted: () => areTrusted([folder], async () => (await stat(modelFolder)).uid),
  };
}

/** Private on both levels that are made here. */
function usersFolder(folder: string): SnapshotFolder {
  return {
    path: folder,
    fileMode: 0o600,
    create: () => makePrivate(folder),
    isTrusted: () => areTrusted([path.dirname(folder), folder]),
  };
}

/** The caller answers for who may write it. */
function givenFolder(folder: string): SnapshotFolder {
  return { path: folder, fileMode: 0o600, create: () => makePrivate(folder), isTrusted: () => Promise.resolve(true) };
}

async function makePrivate(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: privateMode });
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}

/**
 * Whether these are true folders (no symbolic links) that only their owner can write: the superuser, this user, or one
 * more. Windows has no owners and permissions of this kind; folders there inherit those of the one above.
 */
async function areTrusted(folders: readonly string[], oneMore?: () => Promise<number>): Promise<boolean> {
  try {
    const owners = [0, process.geteuid?.(), await oneMore?.()];
    const found = await Promise.all(folders.map((folder) => lstat(folder)));
    return found.every((stats) => {
      if (!stats.isDirectory()) return false;
      return process.platform === 'win32' || (owners.includes(stats.uid) && (stats.mode & writableByOthers) === 0);
    });
  } catch {
    return false; // one does not exist, or may not be looked at
  }
}
