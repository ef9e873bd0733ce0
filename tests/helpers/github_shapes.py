"""What GitHub's REST API answers, field for field as its OpenAPI description wants it, made from short facts.

A fact is a dictionary of the double's state; `Shapes` knows the addresses that stand in every answer.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]


def number_of(text: str) -> int:
    """An id for something that has only a name; the same for the same name."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % 10_000_000 + 1


def sha_of(text: str) -> str:
    """A commit's or blob's id for something that has only a name."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def node_id(kind: str, number: int) -> str:
    return base64.b64encode(f"{kind}:{number}".encode()).decode()


# Ends of a repository's addresses: https://docs.github.com/en/rest/repos/repos#get-a-repository
_REPOSITORY_URLS = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}
_USER_URLS = {
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
    "organizations_url": "/orgs",
    "repos_url": "/repos",
    "events_url": "/events{/privacy}",
    "received_events_url": "/received_events",
}


class Shapes:
    """Answers about one repository.

    Args:
        api: Address of the API.
        repository: Its fact: id, full_name, default_branch.
    """

    def __init__(self, api: str, repository: Mapping[str, Any], *, web: str = "https://github.com") -> None:
        self.api = api
        self.web = web
        self.repository_fact = repository
        self.root = f"{api}/repos/{repository['full_name']}"
        self.page = f"{web}/{repository['full_name']}"

    def user(self, login: str) -> Json:
        url = f"{self.api}/users/{login.replace('[', '%5B').replace(']', '%5D')}"
        number = number_of(login)
        is_bot = login.endswith("[bot]")
        return {
            "login": login,
            "id": number,
            "node_id": node_id("Bot" if is_bot else "User", number),
            "avatar_url": f"https://avatars.githubusercontent.com/u/{number}?v=4",
            "gravatar_id": "",
            "url": url,
            "html_url": f"{self.web}/apps/{login[:-5]}" if is_bot else f"{self.web}/{login}",
            **{key: url + end for key, end in _USER_URLS.items()},
            "type": "Bot" if is_bot else "User",
            "site_admin": False,
        }

    def own_user(self, login: str) -> Json:
        """`GET /user`."""
        nothing = ("name", "company", "location", "email", "hireable", "bio", "blog")
        counts = ("public_repos", "public_gists", "followers", "following")
        return {
            **self.user(login),
            **dict.fromkeys(nothing),
            **dict.fromkeys(counts, 0),
            "created_at": "2020-01-01T00:00:00Z",
            "updated_at": "2020-01-01T00:00:00Z",
            "user_view_type": "public",
        }

    def small_repository(self, full_name: str, repository_id: int) -> Json:
        owner, name = full_name.split("/")
        url = f"{self.api}/repos/{full_name}"
        return {
            "id": repository_id,
            "node_id": node_id("Repository", repository_id),
            "name": name,
            "full_name": full_name,
            "private": False,
            "owner": self.user(owner),
            "html_url": f"{self.web}/{full_name}",
            "description": None,
            "fork": repository_id != self.repository_fact["id"],
            "url": url,
            **{key: url + end for key, end in _REPOSITORY_URLS.items()},
        }

    def repository(self, full_name: str = "", repository_id: int = 0) -> Json:
        full_name = full_name or self.repository_fact["full_name"]
        counts = ("forks", "forks_count", "open_issues", "open_issues_count", "size", "stargazers_count", "watchers")
        return {
            **self.small_repository(full_name, repository_id or self.repository_fact["id"]),
            "clone_url": f"{self.web}/{full_name}.git",
            "default_branch": self.repository_fact["default_branch"],
            "git_url": f"git://github.com/{full_name}.git",
            "ssh_url": f"git@github.com:{full_name}.git",
            "svn_url": f"{self.web}/{full_name}",
            "homepage": None,
            "language": None,
            "license": None,
            "mirror_url": None,
            "archived": False,
            "disabled": False,
            "has_issues": True,
            "has_projects": True,
            "has_downloads": True,
            "has_wiki": True,
            "has_pages": False,
            "has_discussions": False,
            **dict.fromkeys(counts, 0),
            "watchers_count": 0,
            "network_count": 0,
            "subscribers_count": 0,
            "pushed_at": "2026-01-01T00:00:00Z",
            "created_at": "2020-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z",
        }

    def comment(self, fact: Mapping[str, Any]) -> Json:
        url = f"{self.root}/issues/comments/{fact['id']}"
        reactions = ("total_count", "+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
        return {
            "url": url,
            "html_url": f"{self.page}/pull/{fact['issue']}#issuecomment-{fact['id']}",
            "issue_url": f"{self.root}/issues/{fact['issue']}",
            "id": fact["id"],
            "node_id": node_id("IssueComment", fact["id"]),
            "user": self.user(fact["author"]) if fact["author"] else None,
            "created_at": fact["created_at"],
            "updated_at": fact["updated_at"],
            "body": fact["body"],
            "author_association": "NONE",
            "reactions": {"url": f"{url}/reactions", **dict.fromkeys(reactions, 0)},
            "performed_via_github_app": None,
        }

    def label(self, name: str) -> Json:
        number = number_of(f"label {name}")
        return {
            "id": number,
            "node_id": node_id("Label", number),
            "url": f"{self.root}/labels/{name}",
            "name": name,
            "description": None,
            "color": "ededed",
            "default": False,
        }

    def timeline_event(self, fact: Mapping[str, Any]) -> Json:
        if fact["event"] == "committed":
            return self._committed(fact)
        number = fact["id"]
        return {
            "id": number,
            "node_id": node_id("IssueEvent", number),
            "url": f"{self.root}/issues/events/{number}",
            "actor": self.user(fact["actor"]) if fact["actor"] else None,
            "event": fact["event"],
            "commit_id": None,
            "commit_url": None,
            "created_at": fact["created_at"],
            "performed_via_github_app": None,
            **({"label": {"name": fact["label"], "color": "ededed"}} if "label" in fact else {}),
        }

    def _committed(self, fact: Mapping[str, Any]) -> Json:
        sha = fact["sha"]
        who = {"name": "Somebody", "email": "somebody@example.com", "date": fact["committed_at"]}
        tree = sha_of(f"tree {sha}")
        return {
            "sha": sha,
            "node_id": node_id("Commit", number_of(sha)),
            "url": f"{self.root}/git/commits/{sha}",
            "html_url": f"{self.page}/commit/{sha}",
            "author": who,
            "committer": who,
            "tree": {"sha": tree, "url": f"{self.root}/git/trees/{tree}"},
            "message": "A change",
            "parents": [],
            "verification": {
                "verified": False,
                "reason": "unsigned",
                "signature": None,
                "payload": None,
                "verified_at": None,
            },
            "event": "committed",
        }

    def pull_request(self, fact: Mapping[str, Any], *, comment_count: int) -> Json:
        number = fact["number"]
        url = f"{self.root}/pulls/{number}"
        issue = f"{self.root}/issues/{number}"
        page = f"{self.page}/pull/{number}"
        links = {
            "self": url,
            "html": page,
            "issue": issue,
            "comments": f"{issue}/comments",
            "review_comments": f"{url}/comments",
            "review_comment": f"{self.root}/pulls/comments{{/number}}",
            "commits": f"{url}/commits",
            "statuses": f"{self.root}/statuses/{fact['head_sha']}",
        }
        nothing = ("assignee", "milestone", "body", "merged_by", "auto_merge")
        return {
            "id": number_of(f"pull {number}"),
            "node_id": node_id("PullRequest", number_of(f"pull {number}")),
            "number": number,
            "url": url,
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "issue_url": issue,
            "commits_url": links["commits"],
            "comments_url": links["comments"],
            "review_comments_url": links["review_comments"],
            "review_comment_url": links["review_comment"],
            "statuses_url": links["statuses"],
            "_links": {name: {"href": href} for name, href in links.items()},
            "state": fact["state"],
            "locked": fact["locked"],
            "title": fact["title"],
            "user": self.user(fact["author"]),
            "labels": [self.label(name) for name in fact["labels"]],
            **dict.fromkeys(nothing),
            "closed_at": fact.get("merged_at"),
            "merged_at": fact.get("merged_at"),
            "assignees": [],
            "requested_reviewers": [],
            "requested_teams": [],
            "head": self._end(fact["head_ref"], fact["head_sha"], fact["head_repository"], fact["head_repository_id"]),
            "base": self._end(
                self.repository_fact["default_branch"],
                sha_of("base"),
                self.repository_fact["full_name"],
                self.repository_fact["id"],
            ),
            "author_association": "CONTRIBUTOR",
            "draft": False,
            "merged": False,
            "mergeable": True,
            "mergeable_state": "clean",
            "rebaseable": True,
            "merge_commit_sha": sha_of(f"merge {fact['head_sha']}"),
            "maintainer_can_modify": False,
            "comments": comment_count,
            "review_comments": 0,
            "commits": 1,
            "additions": len(fact["files"]),
            "deletions": 0,
            "changed_files": fact.get("changed_files", len(fact["files"])),
            "created_at": fact["created_at"],
            "updated_at": fact["created_at"],
        }

    def listed_pull_request(self, fact: Mapping[str, Any]) -> Json:
        """Lists leave the counts and the state of merging away."""
        whole = self.pull_request(fact, comment_count=0)
        left_away = (
            "merged mergeable mergeable_state rebaseable merged_by comments review_comments commits additions "
            "deletions changed_files maintainer_can_modify"
        )
        labels = [{**label, "description": ""} for label in whole["labels"]]  # never null in a list
        return {key: value for key, value in whole.items() if key not in left_away.split()} | {"labels": labels}

    def _end(self, ref: str, sha: str, full_name: str, repository_id: int) -> Json:
        owner = full_name.split("/")[0]
        return {
            "label": f"{owner}:{ref}",
            "ref": ref,
            "sha": sha,
            "user": self.user(owner),
            "repo": self.repository(full_name, repository_id) if repository_id else None,
        }

    def changed_file(self, fact: Mapping[str, Any], *, head_sha: str) -> Json:
        path = fact["filename"]
        previous = {"previous_filename": fact["previous_filename"]} if fact.get("previous_filename") else {}
        return {
            "sha": sha_of(path),
            "filename": path,
            "status": fact.get("status", "modified"),
            "additions": 1,
            "deletions": 0,
            "changes": 1,
            "blob_url": f"{self.page}/blob/{head_sha}/{path}",
            "raw_url": f"{self.page}/raw/{head_sha}/{path}",
            "contents_url": f"{self.root}/contents/{path}?ref={head_sha}",
            "patch": "@@ -1 +1,2 @@\n a\n+b",
            **previous,
        }

    def check_run(self, fact: Mapping[str, Any], *, at: str) -> Json:
        number = fact["id"]
        url = f"{self.root}/check-runs/{number}"
        return {
            "id": number,
            "node_id": node_id("CheckRun", number),
            "head_sha": fact["head_sha"],
            "external_id": "",
            "url": url,
            "html_url": f"{self.page}/runs/{number}",
            "details_url": fact.get("details_url"),
            "status": fact["status"],
            "conclusion": fact["conclusion"],
            "started_at": at,
            "completed_at": at,
            "output": {
                "title": fact["output"]["title"],
                "summary": fact["output"]["summary"],
                "text": None,
                "annotations_count": len(fact["annotations"]),
                "annotations_url": f"{url}/annotations",
            },
            "name": fact["name"],
            "check_suite": {"id": 5},
            "app": None,
            "pull_requests": [],
        }

    def file(self, path: str, text: str, *, ref: str) -> Json:
        sha = sha_of(text)
        url = f"{self.root}/contents/{path}?ref={ref}"
        links = {
            "self": url,
            "git": f"{self.root}/git/blobs/{sha}",
            "html": f"{self.page}/blob/{ref}/{path}",
        }
        return {
            "type": "file",
            "encoding": "base64",
            "size": len(text.encode()),
            "name": path.rpartition("/")[2],
            "path": path,
            "content": base64.encodebytes(text.encode()).decode(),
            "sha": sha,
            "url": url,
            "git_url": links["git"],
            "html_url": links["html"],
            "download_url": f"https://raw.githubusercontent.com/{self.repository_fact['full_name']}/{ref}/{path}",
            "_links": links,
        }

    def permission(self, login: str, permission: str) -> Json:
        """`maintain` and `triage` are told as roles; `permission` then says what they include."""
        includes = {"maintain": "write", "triage": "read"}
        return {
            "permission": includes.get(permission, permission),
            "role_name": permission,
            "user": {**self.user(login), "role_name": permission},
        }

    def run(self, fact: Mapping[str, Any]) -> Json:
        url = f"{self.root}/actions/runs/{fact['id']}"
        workflow_id = number_of(fact["path"])
        return {
            "id": fact["id"],
            "name": fact["name"],
            "node_id": node_id("WorkflowRun", fact["id"]),
            "head_branch": fact["head_branch"],
            "head_sha": fact["head_sha"],
            "path": fact["path"],
            "display_title": "A change",
            "run_number": fact["run_number"],
            "event": fact["event"],
            "status": fact["status"],
            "conclusion": fact["conclusion"] or None,
            "workflow_id": workflow_id,
            "check_suite_id": fact["id"] + 1,
            "check_suite_node_id": node_id("CheckSuite", fact["id"] + 1),
            "url": url,
            "html_url": f"{self.page}/actions/runs/{fact['id']}",
            "pull_requests": [self._small_pull_request(number, fact) for number in fact["pull_requests"]],
            "created_at": fact["created_at"],
            "updated_at": fact["updated_at"],
            "actor": self.user(fact["actor"]),
            "run_attempt": fact["run_attempt"],
            "referenced_workflows": [],
            "run_started_at": fact["run_started_at"],
            "triggering_actor": self.user(fact["actor"]),
            "jobs_url": f"{url}/jobs",
            "logs_url": f"{url}/logs",
            "check_suite_url": f"{self.root}/check-suites/{fact['id'] + 1}",
            "artifacts_url": f"{url}/artifacts",
            "cancel_url": f"{url}/cancel",
            "rerun_url": f"{url}/rerun",
            "previous_attempt_url": None,
            "workflow_url": f"{self.root}/actions/workflows/{workflow_id}",
            "head_commit": {
                "id": fact["head_sha"],
                "tree_id": sha_of(f"tree {fact['head_sha']}"),
                "message": fact.get("message", "A change"),
                "timestamp": fact["created_at"],
                "author": {"name": "Somebody", "email": "somebody@example.com"},
                "committer": {"name": "Somebody", "email": "somebody@example.com"},
            },
            "repository": self.small_repository(self.repository_fact["full_name"], self.repository_fact["id"]),
            "head_repository": self.small_repository(fact["head_repository"], fact["head_repository_id"]),
        }

    def _small_pull_request(self, number: int, run: Mapping[str, Any]) -> Json:
        here = {"id": self.repository_fact["id"], "url": self.root, "name": self.root.rsplit("/", 1)[1]}
        return {
            "id": number_of(f"pull {number}"),
            "number": number,
            "url": f"{self.root}/pulls/{number}",
            "head": {"ref": run["head_branch"], "sha": run["head_sha"], "repo": here},
            "base": {"ref": self.repository_fact["default_branch"], "sha": sha_of("base"), "repo": here},
        }

    def job(self, fact: Mapping[str, Any], *, run: Mapping[str, Any]) -> Json:
        number = number_of(f"{run['id']} {fact['name']}")
        is_done = fact["status"] == "completed"
        return {
            "id": number,
            "run_id": run["id"],
            "run_url": f"{self.root}/actions/runs/{run['id']}",
            "run_attempt": run["run_attempt"],
            "node_id": node_id("CheckRun", number),
            "head_sha": run["head_sha"],
            "url": f"{self.root}/actions/jobs/{number}",
            "html_url": f"{self.page}/actions/runs/{run['id']}/job/{number}",
            "status": fact["status"],
            "conclusion": fact["conclusion"] or None,
            "created_at": run["created_at"],
            "started_at": run["run_started_at"],
            "completed_at": run["updated_at"] if is_done else None,
            "name": fact["name"],
            "steps": [],
            "check_run_url": f"{self.root}/check-runs/{number}",
            "labels": ["ubuntu-latest"],
            "runner_id": 1,
            "runner_name": "GitHub Actions 1",
            "runner_group_id": 2,
            "runner_group_name": "GitHub Actions",
            "workflow_name": run["name"],
            "head_branch": run["head_branch"],
        }

    def artifact(self, fact: Mapping[str, Any], *, run: Mapping[str, Any]) -> Json:
        url = f"{self.root}/actions/artifacts/{fact['id']}"
        return {
            "id": fact["id"],
            "node_id": node_id("Artifact", fact["id"]),
            "name": fact["name"],
            "size_in_bytes": fact["size_in_bytes"],
            "url": url,
            "archive_download_url": f"{url}/zip",
            "expired": fact["expired"],
            "created_at": fact["created_at"],
            "updated_at": fact["created_at"],
            "expires_at": fact["created_at"],
            "digest": None,
            "workflow_run": {
                "id": run["id"],
                "repository_id": self.repository_fact["id"],
                "head_repository_id": run["head_repository_id"],
                "head_branch": run["head_branch"],
                "head_sha": run["head_sha"],
            },
        }


def error(status: int, message: str, *, errors: Sequence[Mapping[str, Any]] = ()) -> Json:
    """The body of an answer of 400 and above."""
    return {
        "message": message,
        **({"errors": list(errors)} if errors else {}),
        "documentation_url": "https://docs.github.com/rest",
        "status": str(status),
    }
