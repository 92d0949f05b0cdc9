"""Everything the application can do, in one typed object that every host is given."""

from attrs import frozen

from application import authentication, conversations, documents, ingestion, knowledge, local, maintenance


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

    # documents
    upload_document: documents.UploadDocument
    revise_document: documents.ReviseDocument
    show_document: documents.ShowDocument
    list_documents: documents.ListDocuments
    change_document: documents.ChangeDocument
    delete_document: documents.DeleteDocument
    reindex_document: documents.ReindexDocument
    download_original: documents.DownloadOriginal
    list_chunks: documents.ListChunks
    show_page: documents.ShowPage

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

    # work that follows
    handle_job: ingestion.HandleJob
    requeue_unfinished: maintenance.RequeueUnfinished
