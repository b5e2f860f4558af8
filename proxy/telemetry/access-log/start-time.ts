/** The time of a request as `%START_TIME(...)%` asks for it: the letters of strftime in UTC, and digits of the fraction before an `f`. */
export function formatStartTime(format: string, wallMs: number): string {
  const iso = new Date(wallMs).toISOString();
  if (format === "") return iso;
  return format.replace(/%([1-9])?([YmdHMSFTszZef%])/g, (_, digits: string | undefined, letter: string) => {
    switch (letter) {
      case "Y":
        return iso.slice(0, 4);
      case "m":
        return iso.slice(5, 7);
      case "d":
        return iso.slice(8, 10);
      case "e":
        return iso.slice(8, 10).replace(/^0/, " ");
      case "H":
        return iso.slice(11, 13);
      case "M":
        return iso.slice(14, 16);
      case "S":
        return iso.slice(17, 19);
      case "F":
        return iso.slice(0, 10);
      case "T":
        return iso.slice(11, 19);
      case "s":
        return `${Math.floor(wallMs / 1_000)}`;
      case "z":
        return "+0000";
      case "Z":
        return "UTC";
      case "f":
        return iso
          .slice(20, 23)
          .padEnd(9, "0")
          .slice(0, Number(digits ?? 9));
      default:
        return "%";
    }
  });
}
