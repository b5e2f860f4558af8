/** Textual encoding of certificates, requests and keys (RFC 7468). */
export interface PemBlock {
  readonly label: string;
  readonly der: Buffer;
}

const blockPattern = /-----BEGIN ([A-Z0-9 ]{1,64})-----\s*([A-Za-z0-9+/=\s]*?)-----END \1-----/g;

/** Upper bound of the blocks in one text: a file with more is not one of ours. */
const maxBlocks = 64;

export function encodePem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/** Every block of `text`, in order; text between the blocks is skipped, as the RFC allows. */
export function decodePem(text: string): readonly PemBlock[] {
  const blocks: PemBlock[] = [];
  for (const match of text.matchAll(blockPattern)) {
    if (blocks.length === maxBlocks) break;
    blocks.push({ label: match[1] ?? "", der: Buffer.from((match[2] ?? "").replaceAll(/\s/g, ""), "base64") });
  }
  return blocks;
}

/** The certificates of a bundle, each as a PEM text of its own. */
export function splitCertificates(pem: string): readonly string[] {
  return decodePem(pem)
    .filter((block) => block.label === "CERTIFICATE")
    .map((block) => encodePem(block.label, block.der));
}
