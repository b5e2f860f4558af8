/**
 * Prometheus text format (version 0.0.4), written straight from the counters when scraped, so that a sidecar carries no
 * metrics library.
 */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly samples: readonly Sample[];
  /** How the same series of several processes become one; added when absent. */
  readonly merge?: "max" | "min";
  /** Its series are few by a budget that processes share: those of one that has died are kept only while another has them too. */
  readonly isBudgeted?: boolean;
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** `_bucket`, `_sum` or `_count` for histograms. */
  readonly suffix?: string;
}

export const expositionContentType = "text/plain; version=0.0.4; charset=utf-8";

export function renderFamilies(families: readonly Family[]): string {
  return families
    .filter(({ samples }) => samples.length > 0)
    .map(
      ({ name, help, type, samples }) =>
        `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${samples.map((sample) => renderSample(name, sample)).join("")}`,
    )
    .join("");
}

/** Samples of one histogram from its per-bucket counts, which are not cumulative. */
export function histogramSamples(
  labels: Readonly<Record<string, string>>,
  histogram: { readonly bounds: readonly number[]; readonly buckets: ArrayLike<number>; readonly sum: number },
): Sample[] {
  let total = 0;
  const buckets = Array.from(histogram.buckets, (count, i) => {
    total += count;
    return { labels: { ...labels, le: `${histogram.bounds[i] ?? "+Inf"}` }, value: total, suffix: "_bucket" };
  });
  return [...buckets, { labels, value: histogram.sum, suffix: "_sum" }, { labels, value: total, suffix: "_count" }];
}

function renderSample(name: string, { labels, value, suffix }: Sample): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escapeLabel(text)}"`);
  return `${name}${suffix ?? ""}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}\n`;
}

function escapeLabel(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}
