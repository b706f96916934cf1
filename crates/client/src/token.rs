//! A token, or where to get one: it may have expired by the time of the next session.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use crate::error::TokenError;

type Asking = Pin<Box<dyn Future<Output = Result<String, Box<dyn Error + Send + Sync>>> + Send>>;

/// A JWT that says who this is. Where it expires, [`Token::with`] asks for a new one whenever a session begins.
#[derive(Clone)]
pub struct Token(Source);

#[derive(Clone)]
enum Source {
    Fixed(String),
    Asked(Arc<dyn Fn() -> Asking + Send + Sync>),
}

impl Token {
    /// One that is asked for at each handshake: whenever a session begins, and again if the answer to the handshake was
    /// lost. A session that goes on needs none. What has it at hand gives a [`std::future::ready`].
    ///
    /// It is asked before the server is, within
    /// [`ConnectOptions::connect_timeout`](crate::ConnectOptions::connect_timeout) in all, and dropped with the attempt.
    ///
    /// ```
    /// use anteroom_client::{ConnectOptions, Token, TransportChoice};
    ///
    /// # async fn sign_in() -> Result<String, std::io::Error> { Ok(String::new()) }
    /// let options = ConnectOptions::new(TransportChoice::Automatic, "play.example.org:7350");
    /// let asked = options.clone().token(Token::with(|| async { sign_in().await }));
    /// let read = options.token(Token::with(|| std::future::ready(std::fs::read_to_string("token.jwt"))));
    /// ```
    pub fn with<F, A, E>(ask: F) -> Self
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self(Source::Asked(Arc::new(move || {
            let asking = ask();
            Box::pin(async move { asking.await.map_err(Into::into) })
        })))
    }

    pub(crate) async fn get(&self, deadline: Instant) -> Result<String, TokenError> {
        match &self.0 {
            Source::Fixed(token) => Ok(token.clone()),
            Source::Asked(ask) => {
                let asked = timeout_at(deadline, ask()).await.map_err(|_| TokenError::Timeout)?;
                asked.map_err(TokenError::Failed)
            }
        }
    }
}

impl From<String> for Token {
    fn from(token: String) -> Self {
        Self(Source::Fixed(token))
    }
}

impl From<&str> for Token {
    fn from(token: &str) -> Self {
        Self(Source::Fixed(token.to_owned()))
    }
}

/// Whoever has a token is that player, so it is not shown.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::Fixed(_) => "Token(fixed)",
            Source::Asked(_) => "Token(asked for)",
        })
    }
}
