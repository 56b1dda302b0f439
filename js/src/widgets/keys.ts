// What the keys do, as the help shows it.

type Keys = [key: string, what: string][];

export const OCCLUSION_KEYS: Keys = [
  ["photograph: arrows", "move the occluder"],
  ["photograph: click", "pin the occluder, or let it follow the mouse again"],
  ["photograph: Esc", "take the occluder away"],
  ["occlusion map: arrows", "step through the positions"],
];

export const ACTIVATION_KEYS: Keys = [
  ["layers: ↑ ↓", "choose an operation"],
  ["layers: ← →", "fold and unfold"],
  ["layers: /", "type to filter"],
  ["mosaic: arrows", "choose a unit"],
  ["mosaic: Enter, or a double click", "open its card"],
  ["unit: arrows", "move the place"],
  ["unit: o", "over the photograph"],
];

export const ATTRIBUTION_KEYS: Keys = [
  ["maps: arrows", "choose a method and a row"],
  ["photograph: arrows", "choose a superpixel"],
  ["photograph: Enter, or a click", "switch it off, or on again"],
  ["photograph: Esc", "all superpixels on"],
];

export const EXAMPLES_KEYS: Keys = [
  ["layers: ↑ ↓", "choose an operation"],
  ["unit: ↑ ↓", "the next unit"],
];

export const UNIT_KEYS: Keys = [
  ["picture: click", "choose the place on the unit's map that sees it"],
  ["picture: Esc", "end drawing, or forget the place"],
  ["unit: arrows", "move the place"],
  ["unit: o", "over the photograph"],
  ["layers: ↑ ↓", "choose an operation"],
  ["b", "the next rule back to the pixels"],
  ["d", "keep the unit, or let it go"],
  ["z", "zoom to what the place sees, or back"],
];
