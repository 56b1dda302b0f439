// Vite gives a file's text where "?raw" follows its name.
declare module "*?raw" {
  const text: string;
  export default text;
}
