//! TLS to upstreams: which certificates are trusted, which versions of HTTP are offered.

use std::sync::Arc;

use murphy_core::route::{Protocol, Upstream};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::TlsConnector;

use super::error::BoxError;

/// The certificates that are trusted. Cheap to clone; load it once for all workers.
#[derive(Debug, Clone)]
pub struct Roots {
    store: Arc<RootCertStore>,
}

impl Roots {
    /// Those of the system, or Mozilla's as they were when this was built if the system has none. Reads files.
    #[must_use]
    pub fn system() -> Self {
        let mut store = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::debug!(%error, "a certificate of the system could not be read");
        }
        let (added, _) = store.add_parsable_certificates(found.certs);
        if added == 0 {
            tracing::warn!("the system has no trusted certificates: the bundled ones are used");
            store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        Self {
            store: Arc::new(store),
        }
    }

    /// Only Mozilla's, as they were when this was built. Reads no file.
    #[must_use]
    pub fn bundled() -> Self {
        Self {
            store: Arc::new(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()),
        }
    }

    fn with(&self, pem: &str) -> Result<Arc<RootCertStore>, BoxError> {
        let mut store = RootCertStore::clone(&self.store);
        let mut added = 0_usize;
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            store.add(certificate?)?;
            added += 1;
        }
        if added == 0 {
            return Err("the extra roots hold no certificate".into());
        }
        Ok(Arc::new(store))
    }
}

/// What is needed to speak TLS to one upstream.
pub(super) struct Tls {
    name: ServerName<'static>,
    any: TlsConnector,
    http1: TlsConnector,
}

impl Tls {
    /// Prepares TLS for an upstream.
    pub(super) fn new(upstream: &Upstream, roots: &Roots) -> Result<Self, BoxError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let mut config = if upstream.insecure {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(TrustAnything::new(&provider)))
                .with_no_client_auth()
        } else {
            let store = match &upstream.extra_roots {
                Some(pem) => roots.with(pem)?,
                None => Arc::clone(&roots.store),
            };
            builder.with_root_certificates(store).with_no_client_auth()
        };
        config.alpn_protocols = match upstream.protocol {
            Protocol::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Protocol::Http1 => vec![b"http/1.1".to_vec()],
            Protocol::Http2 => vec![b"h2".to_vec()],
        };
        let mut http1 = config.clone();
        http1.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            name: ServerName::try_from(host_of(upstream).to_owned())?,
            any: TlsConnector::from(Arc::new(config)),
            http1: TlsConnector::from(Arc::new(http1)),
        })
    }

    /// The connector, which offers HTTP/1.1 only if `http1` is set, and the name that the certificate must bear.
    pub(super) fn connector(&self, http1: bool) -> (&TlsConnector, ServerName<'static>) {
        let connector = if http1 { &self.http1 } else { &self.any };
        (connector, self.name.clone())
    }
}

/// The host of an upstream, without the brackets of an IPv6 address.
pub(super) fn host_of(upstream: &Upstream) -> &str {
    let host = upstream.authority.host();
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

/// Accepts every certificate: only for upstreams that say `insecure`. Signatures are still checked, so that the
/// peer at least owns the key of the certificate that it shows.
#[derive(Debug)]
struct TrustAnything {
    algorithms: WebPkiSupportedAlgorithms,
}

impl TrustAnything {
    fn new(provider: &CryptoProvider) -> Self {
        Self {
            algorithms: provider.signature_verification_algorithms,
        }
    }
}

impl ServerCertVerifier for TrustAnything {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
