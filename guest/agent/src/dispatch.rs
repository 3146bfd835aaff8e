//! Takes a call to its service by the path it names.

use crate::activity::{Activity, Busy};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
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
    /// Whether its calls count as something done for the host.
    counts: bool,
    call: Box<dyn Fn(Request) -> Answer + Send + Sync>,
}

/// All services.
#[derive(Clone, Default)]
pub struct Dispatch {
    routes: Arc<Vec<Route>>,
    activity: Arc<Activity>,
}

/// Collects the services.
#[derive(Default)]
pub struct DispatchBuilder {
    routes: Vec<Route>,
}

/// A service as tonic makes it of an implementation.
pub trait GrpcService: NamedService + Clone + Send + Sync + 'static {
    /// Answers a call.
    fn answer(&self, request: Request) -> Answer;
}

impl<S> GrpcService for S
where
    S: tonic::codegen::Service<Request, Response = Response, Error = Infallible>
        + NamedService
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    fn answer(&self, request: Request) -> Answer {
        Box::pin(self.clone().call(request))
    }
}

impl DispatchBuilder {
    /// Adds a service whose calls are something done for the host.
    #[must_use]
    pub fn with(self, service: impl GrpcService) -> Self {
        self.add(service, true)
    }

    /// Adds a service whose calls only look on.
    #[must_use]
    pub fn with_onlooker(self, service: impl GrpcService) -> Self {
        self.add(service, false)
    }

    /// Adds a service whose calls only look on, and which is made when it is first called; none: it is not there.
    #[must_use]
    pub fn with_late_onlooker<S: GrpcService>(self, make: fn() -> Option<S>) -> Self {
        let service = OnceLock::new();
        self.route(S::NAME, false, move |request| match service.get_or_init(make) {
            Some(service) => service.answer(request),
            None => unknown(S::NAME),
        })
    }

    fn add<S: GrpcService>(self, service: S, counts: bool) -> Self {
        self.route(S::NAME, counts, move |request| service.answer(request))
    }

    fn route(
        mut self,
        name: &'static str,
        counts: bool,
        call: impl Fn(Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        self.routes.push(Route { name, counts, call: Box::new(call) });
        self
    }

    /// The services added, whose calls are counted in `activity`.
    #[must_use]
    pub fn build(self, activity: Arc<Activity>) -> Dispatch {
        Dispatch { routes: Arc::new(self.routes), activity }
    }
}

impl hyper::service::Service<Request> for Dispatch {
    type Response = Response;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request) -> Answer {
        let service = request.uri().path().split('/').nth(1).unwrap_or_default();
        if let Some(route) = self.routes.iter().find(|route| route.name == service) {
            let answer = (route.call)(request);
            if !route.counts {
                return answer;
            }
            let busy = self.activity.begin();
            return Box::pin(async move {
                Ok(answer.await?.map(|body| Body::new(BusyBody { body, _busy: busy })))
            });
        }
        unknown(service)
    }
}

fn unknown(service: &str) -> Answer {
    let message = format!("There is no service of this name: {service}");
    Box::pin(async move { Ok(tonic::Status::unimplemented(message).into_http()) })
}

/// An answer that is something done until its end.
struct BusyBody {
    body: Body,
    _busy: Busy,
}

impl http_body::Body for BusyBody {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
