// SPDX-License-Identifier: Apache-2.0
// Names of arm64 cores by the part numbers that their manuals give for the register MIDR_EL1.

const arm = '0x41';

const armParts: Readonly<Record<string, string>> = {
  '0xd03': 'Cortex-A53',
  '0xd04': 'Cortex-A35',
  '0xd05': 'Cortex-A55',
  '0xd07': 'Cortex-A57',
  '0xd08': 'Cortex-A72',
  '0xd09': 'Cortex-A73',
  '0xd0a': 'Cortex-A75',
  '0xd0b': 'Cortex-A76',
  '0xd0c': 'Neoverse N1',
  '0xd0d': 'Cortex-A77',
  '0xd40': 'Neoverse V1',
  '0xd41': 'Cortex-A78',
  '0xd44': 'Cortex-X1',
  '0xd46': 'Cortex-A510',
  '0xd47': 'Cortex-A710',
  '0xd48': 'Cortex-X2',
  '0xd49': 'Neoverse N2',
  '0xd4d': 'Cortex-A715',
  '0xd4e': 'Cortex-X3',
  '0xd4f': 'Neoverse V2',
  '0xd80': 'Cortex-A520',
  '0xd81': 'Cortex-A720',
  '0xd82': 'Cortex-X4',
};

/** The name, or both numbers where it is not known: other makers' cores often are close relatives of Arm's. */
export function armCoreName(implementer: string, part: string): string {
  return (implementer === arm ? armParts[part] : undefined) ?? `implementer ${implementer}, part ${part}`;
}
