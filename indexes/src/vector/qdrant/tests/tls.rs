//! Over TLS, with an authority of the team's own: whoever does not prove to be the one that is meant gets no key, no vector and no
//! question, and the operator hears that it is the certificate.

use super::play::Both;
use super::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// An authority of a team's own.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A peer that proves to be `name`, by the word of this authority.
fn peer(name: &str, authority: &CertifiedIssuer<'static, KeyPair>) -> Peer {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    Peer::over_tls(&params.signed_by(&key, authority).unwrap().pem(), &key.serialize_pem())
}

/// An engine beside a peer, which trusts this authority, or the system's.
fn both(peer: &Peer, trusted: Option<&CertifiedIssuer<'static, KeyPair>>) -> Both {
    let mut both = Both::new(|folder| {
        let ca = trusted.map(|authority| {
            let file = folder.join("ca.pem");
            std::fs::write(&file, authority.pem()).unwrap();
            file
        });
        Options { ca, ..options(&peer.url, "kenward-tls", folder) }
    });
    both.append(0..200);
    both.commit();
    both
}

#[test]
fn an_authority_of_ones_own_is_trusted_where_it_is_named() {
    let authority = authority();
    let peer = peer("localhost", &authority);
    let mut both = both(&peer, Some(&authority));
    both.mirrored.settle();
    both.compare(10);
    let standing = both.mirrored.standing();
    assert!((standing.there, standing.fell_back) == (200, 0) && standing.answered > 5, "{standing:?}");
}

#[test]
fn who_does_not_prove_to_be_it_is_told_nothing() {
    let (own, other) = (authority(), authority());
    for (name, trusted) in
        [("localhost", Some(&other)), ("localhost", None), ("elsewhere.example", Some(&own))]
    {
        let peer = peer(name, &own);
        let mut both = both(&peer, trusted);
        let standing = both.mirrored.until(|standing| standing.condition != Condition::Starting);
        let Condition::Refused { what, hint } = &standing.condition else { panic!("{name}: {standing:?}") };
        assert!(what.contains("certificate") && hint.contains("vectors.ca"), "{what}; {hint}");
        both.compare(5);
        assert_eq!((peer.store.lock().asked.len(), both.mirrored.standing().answered), (0, 0));
    }
}

#[test]
fn without_tls_a_port_that_wants_it_is_not_reached() {
    let peer = peer("localhost", &authority());
    let plain = peer.url.replace("https://localhost", "http://127.0.0.1");
    let mut both = Both::new(|folder| options(&plain, "kenward-tls", folder));
    both.append(0..200);
    both.commit();
    both.mirrored.until(|standing| matches!(standing.condition, Condition::Down { .. }));
    both.compare(5);
    assert_eq!(peer.store.lock().asked.len(), 0);
}
