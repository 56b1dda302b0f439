// Where on a picture the pointer is, and where an arrow key leads.

/** The row and the column under the pointer, with their fractions, on a picture of so many of them. */
export function pointOn(picture: Element, event: MouseEvent, rows = 1, columns = 1): [row: number, column: number] {
  const box = picture.getBoundingClientRect();
  return [((event.clientY - box.top) / box.height) * rows, ((event.clientX - box.left) / box.width) * columns];
}

/** The nearest of the places 0 … count − 1. */
export function within(place: number, count: number): number {
  return Math.min(count - 1, Math.max(0, Math.floor(place)));
}

/** The row and the column under the pointer. */
export function cellOn(picture: Element, event: MouseEvent, rows: number, columns: number): [number, number] {
  const [row, column] = pointOn(picture, event, rows, columns);
  return [within(row, rows), within(column, columns)];
}

const ARROWS: Record<string, [rows: number, columns: number]> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};

/** By how many rows and columns an arrow key leads on; none for another key. */
export const arrow = (key: string): [rows: number, columns: number] | undefined => ARROWS[key];
