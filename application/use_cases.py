"""Everything the application can do, in one typed object that every host is given."""

from datetime import timedelta
from typing import Final

from attrs import frozen

from application import (
    authentication,
    conversations,
    document_contents,
    documents,
    ingestion,
    knowledge,
    local,
    maintenance,
    workspaces,
)
from application.answer_runs import AnswerRuns
from application.answering import WriteAnswer
from application.authentication import RegistrationMode
from application.idempotency import Idempotency
from application.ports.embedding import Embedder
from application.ports.files import FileStore
from application.ports.models import AnswerModel
from application.ports.parsing import MediaTypes, Parser, TokenCounter
from application.ports.runs import RunLog
from application.ports.security import PasswordHasher, Seal, Tokens
from application.ports.system import Clock, Ids, Log
from application.ports.unit_of_work import UnitOfWorkFactory
from application.ports.vectors import VectorIndex

MIB: Final = 1024 * 1024


@frozen(kw_only=True)
class Ports:
    """One adapter for every port."""

    begin: UnitOfWorkFactory
    files: FileStore
    media_types: MediaTypes
    parser: Parser
    tokens_of_text: TokenCounter
    embedder: Embedder
    vectors: VectorIndex
    model: AnswerModel
    run_log: RunLog
    passwords: PasswordHasher
    tokens: Tokens
    seal: Seal
    clock: Clock
    ids: Ids
    log: Log


@frozen(kw_only=True)
class Policy:
    """What an installation decides for itself."""

    access_ttl: timedelta = timedelta(minutes=15)
    refresh_ttl: timedelta = timedelta(days=30)
    registration: RegistrationMode = RegistrationMode.OPEN
    max_upload_bytes: int = 100 * MIB
    max_answer_tokens: int = 4096


@frozen(kw_only=True)
class UseCases:
    """The front door for HTTP, WebSocket, the command line, workers and other hosts."""

    # who is it
    create_user: authentication.CreateUser
    register: authentication.Register
    log_in: authentication.LogIn
    refresh_session: authentication.RefreshSession
    log_out: authentication.LogOut
    authenticate: authentication.Authenticate
    enter_workspace: authentication.EnterWorkspace
    show_profile: authentication.ShowProfile
    act_locally: local.ActLocally

    # workspaces and collections
    create_workspace: workspaces.CreateWorkspace
    show_workspace: workspaces.ShowWorkspace
    rename_workspace: workspaces.RenameWorkspace
    create_collection: workspaces.CreateCollection
    list_collections: workspaces.ListCollections
    show_collection: workspaces.ShowCollection
    find_collection: workspaces.FindCollection
    change_collection: workspaces.ChangeCollection

    # documents
    upload_document: documents.UploadDocument
    revise_document: documents.ReviseDocument
    show_document: documents.ShowDocument
    list_documents: documents.ListDocuments
    change_document: documents.ChangeDocument
    delete_document: documents.DeleteDocument
    reindex_document: documents.ReindexDocument
    download_original: document_contents.DownloadOriginal
    list_chunks: document_contents.ListChunks
    show_page: document_contents.ShowPage

    # knowledge
    search: knowledge.SearchPassages

    # chat
    start_conversation: conversations.StartConversation
    show_conversation: conversations.ShowConversation
    list_conversations: conversations.ListConversations
    list_messages: conversations.ListMessages
    show_message: conversations.ShowMessage
    post_message: conversations.PostMessage
    read_answer: conversations.ReadAnswer
    cancel_answer: conversations.CancelAnswer
    ask: conversations.Ask

    # around every call
    idempotency: Idempotency

    # work that follows
    handle_job: ingestion.HandleJob
    requeue_unfinished: maintenance.RequeueUnfinished

    answer_runs: AnswerRuns  # for the host to close before it goes


def assemble(ports: Ports, policy: Policy) -> UseCases:
    """All use cases on these ports: production, tests and other hosts are built by this one function."""
    begin, clock, ids = ports.begin, ports.clock, ports.ids
    create_user = authentication.CreateUser(begin=begin, passwords=ports.passwords, clock=clock, ids=ids)
    enter_workspace = authentication.EnterWorkspace(begin=begin)
    search = knowledge.SearchPassages(begin=begin, embedder=ports.embedder, vectors=ports.vectors, log=ports.log)
    runs = AnswerRuns(log=ports.run_log, report=ports.log)
    write = WriteAnswer(
        begin=begin, search=search, model=ports.model, clock=clock, log=ports.log, max_tokens=policy.max_answer_tokens
    )
    start = conversations.StartConversation(begin=begin, clock=clock, ids=ids)
    post = conversations.PostMessage(begin=begin, write=write, runs=runs, clock=clock, ids=ids)
    read = conversations.ReadAnswer(begin=begin, runs=runs, log=ports.run_log)
    return UseCases(
        create_user=create_user,
        register=authentication.Register(create_user=create_user, mode=policy.registration),
        log_in=authentication.LogIn(
            begin=begin,
            passwords=ports.passwords,
            tokens=ports.tokens,
            clock=clock,
            ids=ids,
            access_ttl=policy.access_ttl,
            refresh_ttl=policy.refresh_ttl,
        ),
        refresh_session=authentication.RefreshSession(
            begin=begin,
            tokens=ports.tokens,
            clock=clock,
            access_ttl=policy.access_ttl,
            refresh_ttl=policy.refresh_ttl,
        ),
        log_out=authentication.LogOut(begin=begin, tokens=ports.tokens, clock=clock),
        authenticate=authentication.Authenticate(begin=begin, tokens=ports.tokens, clock=clock),
        enter_workspace=enter_workspace,
        show_profile=authentication.ShowProfile(begin=begin),
        act_locally=local.ActLocally(begin=begin, create_user=create_user, enter=enter_workspace),
        create_workspace=workspaces.CreateWorkspace(begin=begin, clock=clock, ids=ids),
        show_workspace=workspaces.ShowWorkspace(begin=begin),
        rename_workspace=workspaces.RenameWorkspace(begin=begin),
        create_collection=workspaces.CreateCollection(begin=begin, clock=clock, ids=ids),
        list_collections=workspaces.ListCollections(begin=begin),
        show_collection=workspaces.ShowCollection(begin=begin),
        find_collection=workspaces.FindCollection(begin=begin),
        change_collection=workspaces.ChangeCollection(begin=begin),
        upload_document=documents.UploadDocument(
            begin=begin,
            files=ports.files,
            media_types=ports.media_types,
            clock=clock,
            ids=ids,
            max_bytes=policy.max_upload_bytes,
        ),
        revise_document=documents.ReviseDocument(
            begin=begin,
            files=ports.files,
            media_types=ports.media_types,
            clock=clock,
            max_bytes=policy.max_upload_bytes,
        ),
        show_document=documents.ShowDocument(begin=begin),
        list_documents=documents.ListDocuments(begin=begin),
        change_document=documents.ChangeDocument(begin=begin, clock=clock),
        delete_document=documents.DeleteDocument(begin=begin, clock=clock),
        reindex_document=documents.ReindexDocument(begin=begin, clock=clock),
        download_original=document_contents.DownloadOriginal(begin=begin, files=ports.files),
        list_chunks=document_contents.ListChunks(begin=begin),
        show_page=document_contents.ShowPage(begin=begin),
        search=search,
        start_conversation=start,
        show_conversation=conversations.ShowConversation(begin=begin),
        list_conversations=conversations.ListConversations(begin=begin),
        list_messages=conversations.ListMessages(begin=begin),
        show_message=conversations.ShowMessage(begin=begin),
        post_message=post,
        read_answer=read,
        cancel_answer=conversations.CancelAnswer(begin=begin, runs=runs),
        ask=conversations.Ask(start=start, post=post, read=read),
        idempotency=Idempotency(begin=begin, clock=clock, seal=ports.seal),
        handle_job=ingestion.HandleJob(
            ingest=ingestion.Ingest(
                begin=begin,
                files=ports.files,
                parser=ports.parser,
                tokens=ports.tokens_of_text,
                embedder=ports.embedder,
                vectors=ports.vectors,
                clock=clock,
            ),
            remove_old=ingestion.RemoveOld(begin=begin, files=ports.files, vectors=ports.vectors),
            erase=ingestion.Erase(begin=begin, files=ports.files, vectors=ports.vectors),
            describe=ingestion.Describe(begin=begin, vectors=ports.vectors),
        ),
        requeue_unfinished=maintenance.RequeueUnfinished(begin=begin, clock=clock),
        answer_runs=runs,
    )
