import "node-forge";

/** The options form of `fromDer`, which node-forge documents and its types leave out. */
declare module "node-forge" {
  namespace asn1 {
    function fromDer(
      bytes: Bytes | util.ByteBuffer,
      options: { readonly strict: boolean; readonly parseAllBytes: boolean; readonly decodeBitStrings: boolean },
    ): Asn1;
  }
}
