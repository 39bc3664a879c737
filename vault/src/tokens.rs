//! Tokens: made, listed, and what a bearer's secret stands for. The vault knows hashes only; it must
//! never keep, log or send a secret.

use crate::catalog::people;
use crate::directory::{NewToken, Token, TokenOrder, TokenSecret, TokenSubject};
use crate::directory_change::user;
use crate::error::VaultError;
use crate::vault::{Operator, Vault};
use kenward_access::ids::{AgentId, Timestamp};
use std::time::Duration;

impl Vault {
    /// Makes a token whose secret somebody else drew. Asked again with the same hash, it makes no
    /// second one and gives the first: a front that lost the reply must not leave a token behind that
    /// nobody knows.
    ///
    /// # Errors
    /// [`VaultError::Name`] for an unknown or disabled person, or a hash that another token has.
    pub fn add_token(&self, by: &Operator, order: &TokenOrder) -> Result<Token, VaultError> {
        let created = self.core.now();
        let life = i64::try_from(order.life.as_millis()).unwrap_or(i64::MAX);
        self.change_rights("making a token", |tx, change| {
            let token = Token {
                id: people::token_id(&order.hash),
                user: user(change.rights(), &order.user)?,
                agent: order.agent.as_ref().map(ToString::to_string),
                label: order.label.clone(),
                created,
                expires: Timestamp(created.0.saturating_add(life)),
                revoked: None,
            };
            if let Some(made) = people::token(tx, &order.hash)? {
                return if as_ordered(&made, &token) { Ok(made) } else { Err(taken()) };
            }
            if change.rights().active(&token.user).is_none() {
                return Err(VaultError::name(
                    format!("the person `{}` is disabled", order.user),
                    "enable them first with `kenward users enable`",
                ));
            }
            people::add_token(tx, &order.hash, &token)?;
            people::load_tokens(tx, change.rights_mut())?;
            // A token opens something: it is a widening.
            change.widens(
                &self.core,
                by,
                "token_made",
                serde_json::json!({ "token": token.id, "user": token.user, "agent": token.agent, "expires": token.expires }),
            )?;
            Ok(token)
        })
    }

    /// Draws a secret and makes its token, for whoever has the vault itself. Its secret is in the
    /// answer and nowhere else.
    ///
    /// # Errors
    /// As [`Vault::add_token`].
    pub fn create_token(
        &self,
        by: &Operator,
        handle: &str,
        agent: Option<AgentId>,
        label: &str,
        life: Duration,
    ) -> Result<NewToken, VaultError> {
        let secret = TokenSecret::draw(self.core.entropy.as_ref());
        let (user, label) = (handle.to_owned(), label.to_owned());
        let token = self.add_token(by, &TokenOrder { hash: secret.hash(), user, agent, label, life })?;
        Ok(NewToken { secret: secret.into_text(), token })
    }

    /// All tokens, newest first.
    ///
    /// # Errors
    /// [`VaultError::Catalog`].
    pub fn tokens(&self) -> Result<Vec<Token>, VaultError> {
        self.catalog.lock().transaction("listing tokens", people::tokens)
    }

    /// What a bearer token stands for now; `None` if unknown, expired, revoked or its person disabled.
    #[must_use]
    pub fn token_subject(&self, secret: &str) -> Option<TokenSubject> {
        let hash = TokenSecret::hash_of(secret)?;
        let rights = self.core.rights.load();
        let token = rights.token(&hash, self.core.now())?;
        Some(TokenSubject {
            user: token.user.clone(),
            agent: token.agent.as_ref().map(ToString::to_string),
            hash,
        })
    }
}

/// Whether a token is the one that was ordered, made at another time. It may have been revoked since.
fn as_ordered(made: &Token, ordered: &Token) -> bool {
    let life = |token: &Token| token.expires.0.saturating_sub(token.created.0);
    (&made.user, &made.agent, &made.label, life(made))
        == (&ordered.user, &ordered.agent, &ordered.label, life(ordered))
}

fn taken() -> VaultError {
    VaultError::name("another token has this secret", "draw a new one: run the command again")
}
