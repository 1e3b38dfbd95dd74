"""FastAPI's tutorial about paths with slashes, and a route that such a path could lead to."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/files/{id}/admin")
def read_admin(id: str) -> dict[str, str]:
    return {"route": "admin", "id": id}


@app.get("/files/{file_path:path}")
def read_file(file_path: str) -> dict[str, str]:
    return {"route": "file", "file_path": file_path}
