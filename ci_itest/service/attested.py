"""What of an upload is believed: what GitHub's token says of the run outweighs what the document says. Pure."""

from __future__ import annotations

from dataclasses import replace

from ci_itest.errors import CiItestError
from ci_itest.flows.judge import main_branch
from ci_itest.model.upload import Upload
from ci_itest.service.oidc import GitHubClaims


class NotAttestedError(CiItestError):
    """The document is about another run than the token."""


def attested(upload: Upload, claims: GitHubClaims, *, default_branch: str) -> Upload:
    """The upload with commit, branch, event and actor as GitHub attests them.

    A job may also send what an earlier run of the repository could not. Only one on the default branch is believed in
    what it says of that run; what any other sends of it is shown, and nothing is learned from it.

    Raises:
        NotAttestedError: A later attempt of the same run is claimed than the token's.
    """
    is_main = main_branch(default_branch)
    if upload.run_id != claims.run_id:
        is_from_main = claims.event_name != "pull_request" and is_main(claims.branch)
        return replace(upload, is_trusted=upload.is_trusted and is_from_main)
    if upload.run_attempt > claims.run_attempt:
        raise NotAttestedError(
            f"The token is of attempt {claims.run_attempt} of the run, the upload of attempt {upload.run_attempt}."
        )
    is_pull_request = claims.event_name.startswith("pull_request")
    return replace(
        upload,
        commit=claims.sha,
        branch=claims.branch,
        event=claims.event_name,
        pull_request=claims.pull_request,
        actor=claims.actor,
        # The head branch of a pull request may be called like the default branch, and is not it.
        is_trusted=claims.branch != "" and not (is_pull_request and is_main(claims.branch)),
    )
