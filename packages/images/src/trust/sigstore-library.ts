// What is used of sigstore's own libraries, by name: a dynamic import of CommonJS has no names once it is bundled.

export { bundleFromJSON, isBundleWithDsseEnvelope } from "@sigstore/bundle";
export { TrustedRoot } from "@sigstore/protobuf-specs";
export { toSignedEntity, toTrustMaterial, Verifier } from "@sigstore/verify";
