// Colours of classes and of layers: seven of Okabe & Ito and three more, told apart also by people who are colour-blind.

const COLORS: [red: number, green: number, blue: number][] = [
  [0, 114, 178],
  [230, 159, 0],
  [0, 158, 115],
  [213, 94, 0],
  [204, 121, 167],
  [86, 180, 233],
  [120, 94, 240],
  [140, 140, 60],
  [110, 110, 110],
  [150, 50, 60],
];

/** The colour of a category, mixed with what lies below it by `opacity`. */
export function categoryColor(category: number, opacity = 1): string {
  const [red, green, blue] = COLORS[((category % COLORS.length) + COLORS.length) % COLORS.length];
  return `rgb(${red} ${green} ${blue} / ${opacity})`;
}
