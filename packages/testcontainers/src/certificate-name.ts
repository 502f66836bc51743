/** The name in a certificate: what a client must call the daemon to believe it, wherever the container runs. */
import { X509Certificate } from "node:crypto";

/** The first name that the certificate is for: a DNS name or an address, or else the common name of its subject. */
export function certificateName(certificate: string): string {
  const { subject, subjectAltName = "" } = new X509Certificate(certificate);
  const [, name] = /(?:DNS|IP Address):([^,\s]+)/.exec(subjectAltName) ?? /^CN=(.+)$/m.exec(subject) ?? [];
  if (name === undefined)
    throw new Error(
      "The certificate of the container is for no name: it has neither a subjectAltName nor a CN.",
    );
  // A wildcard stands for any one label.
  return name.replace(/^\*/, "torpor");
}
