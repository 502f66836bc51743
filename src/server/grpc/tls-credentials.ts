/** Credentials of the gRPC server, whose certificate can change while it runs. */
import { ServerCredentials } from "@grpc/grpc-js";
import { handshakeOptions, type ServerTls } from "../machine/tls-material.ts";

export class TlsCredentials extends ServerCredentials {
  constructor(tls: ServerTls) {
    super(handshakeOptions(tls), tls.context.value);
    tls.context.onChange((changed) => this.updateSecureContextOptions(changed));
  }

  override _equals(other: ServerCredentials): boolean {
    return other === this;
  }
}
