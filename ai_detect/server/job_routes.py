"""The addresses of files that are scored in the background."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.responses import FileResponse

from ai_detect.server import schemas, uploads
from ai_detect.server.job_files import DONE
from ai_detect.server.problems import Problem
from ai_detect.server.routes import ALWAYS, BODY, PREFIX, described, service_of
from ai_detect.server.security import KEYS

router = APIRouter(prefix=PREFIX, responses=ALWAYS, dependencies=KEYS, tags=["files"])

_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        **schemas.FileOptions.model_json_schema()["properties"],
                    },
                }
            }
        },
    }
}


@router.post(
    "/predict/file",
    status_code=202,
    response_model=schemas.JobResponse,
    responses=BODY | described(408, 415, 429, 507),
    openapi_extra=_UPLOAD,
)
async def predict_file(request: Request, response: Response) -> dict[str, Any]:
    """Score a CSV, TSV, JSON Lines or Parquet file in the background. The file is kept until its job is removed."""
    service = service_of(request)
    arrival = await service.threads.run(service.jobs.arrive)
    try:
        upload = await uploads.receive(
            request.stream(),
            request.headers.get("content-type", ""),
            arrival.files.folder,
            pause_seconds=service.settings.limits.timeout_seconds,
        )
        options = _file_options(upload.fields)
        model = service.models.current
        model.rate(
            model.profile(options.profile), options.fpr
        )  # refused now rather than by the job
    except BaseException:
        service.jobs.forget(arrival)
        raise
    job = await service.jobs.begin(
        arrival, name=upload.name, file=upload.file, options=options.model_dump()
    )
    response.headers["Location"] = f"{PREFIX}/jobs/{job.id}"
    return job.to_dict()


@router.get("/jobs", response_model=schemas.JobsResponse)
async def jobs(request: Request) -> dict[str, Any]:
    """List the files that were sent, newest first."""
    service = service_of(request)
    return {"jobs": [job.to_dict() for job in await service.threads.run(service.jobs.listed)]}


@router.get("/jobs/{job_id}", response_model=schemas.JobResponse, responses=described(404))
async def job(request: Request, job_id: str) -> dict[str, Any]:
    """Tell how far a file is."""
    found, _ = service_of(request).jobs.find(job_id)
    return found.to_dict()


@router.get("/jobs/{job_id}/result", response_class=FileResponse, responses=described(404, 409))
async def result(request: Request, job_id: str) -> Response:
    """Download results.csv, with a verdict and its details for each row."""
    found, files = service_of(request).jobs.find(job_id)
    if found.status != DONE:
        raise Problem(
            HTTPStatus.CONFLICT, f"This job is {found.status}: there is a result when it is done."
        )
    return FileResponse(files.result, media_type="text/csv", filename="results.csv")


@router.post(
    "/jobs/{job_id}/rerun",
    status_code=202,
    response_model=schemas.JobResponse,
    responses=described(404, 409),
)
async def rerun(request: Request, job_id: str) -> dict[str, Any]:
    """Score a file again that is kept, such as after a restart of the service."""
    return (await service_of(request).jobs.rerun(job_id)).to_dict()


@router.delete("/jobs/{job_id}", status_code=204, responses=described(404))
async def remove(request: Request, job_id: str) -> Response:
    """Cancel a job and remove its file and result. 202: its process is busy, and they go as soon as it stops."""
    is_gone = await service_of(request).jobs.remove(job_id)
    return Response(status_code=204 if is_gone else 202)


def _file_options(fields: dict[str, str]) -> schemas.FileOptions:
    """Read the fields of a form; empty ones are not given."""
    try:
        return schemas.FileOptions.model_validate({k: v for k, v in fields.items() if v})
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_input=False)) from None
