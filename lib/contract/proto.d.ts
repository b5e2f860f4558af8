/** Files imported as text are bundled into the executable. */
declare module "*.proto" {
  const text: string;
  // biome-ignore lint/style/noDefaultExport: the form that a text import has
  export default text;
}
