// SPDX-License-Identifier: Apache-2.0
// The 13 hazard categories of Llama Guard 3-1B: the short names that its prompt holds, and longer ones to show people.

/** One row of a safety policy. */
export interface Category {
  /** `S` and a number that the model's head can say, such as `S1`. */
  readonly code: string;
  /** The name as it stands in the prompt: one line, without the full stop at its end. */
  readonly name: string;
  /** What falls under it, for a policy of one's own; stands below the name in the prompt. May have several lines. */
  readonly description?: string;
}

/** The table of the official prompt, in its order and with its names. */
export const defaultTaxonomy: readonly Category[] = [
  { code: 'S1', name: 'Violent Crimes' },
  { code: 'S2', name: 'Non-Violent Crimes' },
  { code: 'S3', name: 'Sex Crimes' },
  { code: 'S4', name: 'Child Exploitation' },
  { code: 'S5', name: 'Defamation' },
  { code: 'S6', name: 'Specialized Advice' },
  { code: 'S7', name: 'Privacy' },
  { code: 'S8', name: 'Intellectual Property' },
  { code: 'S9', name: 'Indiscriminate Weapons' },
  { code: 'S10', name: 'Hate' },
  { code: 'S11', name: 'Self-Harm' },
  { code: 'S12', name: 'Sexual Content' },
  { code: 'S13', name: 'Elections' },
];

const longNames: ReadonlyMap<string, string> = new Map([
  ['Sex Crimes', 'Sex-Related Crimes'],
  ['Child Exploitation', 'Child Sexual Exploitation'],
  ['Self-Harm', 'Suicide & Self-Harm'],
]);

/**
 * The name to show people: the longer one of the taxonomy's documentation where the prompt uses a shorter one.
 * A category of the user's own keeps its name.
 */
export function displayName(category: Category): string {
  const official = defaultTaxonomy.some((row) => row.code === category.code && row.name === category.name);
  return (official ? longNames.get(category.name) : undefined) ?? category.name;
}
