//! Takes a call to its service by the path it names.

use hyper::body::Incoming;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use tonic::body::Body;
use tonic::server::NamedService;

/// The largest message that is accepted.
pub const MAX_MESSAGE: usize = 1024 * 1024;

type Request = http::Request<Incoming>;
type Response = http::Response<Body>;
type Answer = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// A service's name and how to call it.
struct Route {
    name: &'static str,
    call: Box<dyn Fn(Request) -> Answer + Send + Sync>,
}

/// All services.
#[derive(Clone, Default)]
pub struct Dispatch {
    routes: Arc<Vec<Route>>,
}

/// Collects the services.
#[derive(Default)]
pub struct DispatchBuilder {
    routes: Vec<Route>,
}

impl DispatchBuilder {
    /// Adds a service under its own name.
    #[must_use]
    pub fn with<S>(mut self, service: S) -> Self
    where
        S: tonic::codegen::Service<Request, Response = Response, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        let call = Box::new(move |request| -> Answer { Box::pin(service.clone().call(request)) });
        self.routes.push(Route { name: S::NAME, call });
        self
    }

    /// The services added.
    #[must_use]
    pub fn build(self) -> Dispatch {
        Dispatch { routes: Arc::new(self.routes) }
    }
}

impl hyper::service::Service<Request> for Dispatch {
    type Response = Response;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request) -> Answer {
        let service = request.uri().path().split('/').nth(1).unwrap_or_default();
        if let Some(route) = self.routes.iter().find(|route| route.name == service) {
            return (route.call)(request);
        }
        let message = format!("There is no service of this name: {service}");
        Box::pin(async move { Ok(tonic::Status::unimplemented(message).into_http()) })
    }
}
