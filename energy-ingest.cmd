@echo off
rem Windows: Airflow runs in containers (Docker Desktop). `energy-ingest stack start` and its like, with any Python 3.11 or
rem newer that has python-dotenv; every other command runs in a container.
setlocal
cd /d "%~dp0"
set "PYTHONPATH=%~dp0plugins"
if "%~1"=="stack" (
    if "%~2"=="" (
        py -3 -m energy_ingest.stacks --help
    ) else (
        py -3 -m energy_ingest.stacks %2 --kind compose %3 %4 %5 %6 %7 %8 %9
    )
) else (
    docker compose run --rm cli energy-ingest %*
)
exit /b %ERRORLEVEL%
